//! What to do about each error, for the reference and the dashboard: a person reads it who has met the code for the first
//! time. Its meaning is beside the code itself.

use crate::error::ErrorCode;

impl ErrorCode {
    /// What to do.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::ExpiredAccessToken => {
                "Ask `POST /auth/token` for a new token and repeat the request; it was not carried out. A program does so \
                 shortly before `expires_in` seconds are over."
            }
            Self::Unauthorized => {
                "Send `Authorization: Bearer <token>` with a token that this deployment's `POST /auth/token` has issued, whole \
                 and unchanged. Tokens of another deployment are not valid here."
            }
            Self::InsufficientScope => {
                "The message names the scope. Ask for a token with it; if the client itself does not have it, the operator of \
                 the platform makes one that does. Developers' routes take developers' clients, the platform's routes the \
                 platform's."
            }
            Self::MalformedRequest => {
                "The message says what cannot be read. Send the body as one JSON object in UTF-8, and only the query \
                 parameters that the route has."
            }
            Self::ValidationFailed => {
                "Each entry of `validation_errors` has a `location` and a `message`; mend them all and send the request anew. \
                 Fields that are not in the schema are errors too: mostly a name is misspelled."
            }
            Self::RequestTooLarge => "Send less. Updates can be published in several requests of up to 100 each.",
            Self::RouteNotFound => {
                "Compare the path with this reference: letter by letter, without a slash at its end."
            }
            Self::MethodNotAllowed => "The header `Allow` lists the methods that the path takes.",
            Self::RateLimitExceeded => {
                "Wait for as many seconds as the header `Retry-After` says, then repeat the request: it was not carried out. \
                 Spread requests over time, and do not ask in a loop for what a webhook would tell."
            }
            Self::Internal => {
                "Nothing is wrong with the request. Give the `request_id` to the operator of the platform. Reading may be \
                 repeated at once; before a change is repeated, look whether it was made."
            }
            Self::Unavailable => {
                "Wait for as many seconds as `Retry-After` says, and repeat the request. Where it publishes an update, send the \
                 same `Idempotency-Key` or id, so that it cannot be published twice."
            }
            Self::ConfigurationNotFound => {
                "Create the configuration with `POST /configuration`. If it was deleted within the last ten days, \
                 `POST /configuration/restore/{requestId}` brings it back."
            }
            Self::ConfigurationExists => {
                "Change the one that there is with `PATCH /configuration`, or look at it with `GET /configuration`: a developer \
                 has one."
            }
            Self::ConfigurationChanged => "Read it again and repeat your change, if it is still needed.",
            Self::AllowlistInUse => "Add the new address first and remove the old one then, or delete the webhooks.",
            Self::ConfigurationRequired => "Create the configuration with `POST /configuration`, then the webhook.",
            Self::AllowlistRequired => {
                "Add the addresses of your server with `PATCH /configuration` and `ipAllowlist`: no event is sent to any other."
            }
            Self::WebhookLimitReached => {
                "Delete a webhook that is not needed any more. One webhook without `eventName` gets all events."
            }
            Self::WebhookDisabled => {
                "Mend the receiver, then enable the webhook with `PATCH /configuration/webhooks/{webhookId}` and \
                 `{\"status\": \"active\"}`. Its events have waited."
            }
            Self::DeliveriesPaused => {
                "Ask the platform why, and try again when it lets deliveries go on. Nothing is lost: what was held is sent then."
            }
            Self::WebhookOfOtherKind => {
                "Of a webhook's `kind` `push` the events are sent to its `callbackURL`; of one of the kind `pull` they are \
                 fetched by `POST /configuration/webhooks/{webhookId}/pull`. A webhook's kind never changes: make another one."
            }
            Self::WebhookNotFound => {
                "`GET /configuration/webhooks` lists the webhooks that there are. One that was deleted within the last ten days \
                 comes back with `POST /configuration/webhooks/restore/{requestId}`."
            }
            Self::DeletionNotFound => {
                "Use the `requestId` that the deletion has answered, within ten days, and once. What is gone for good is created \
                 anew."
            }
            Self::EventNotFound => {
                "Events are kept for ten days. `GET /configuration/webhooks/{webhookId}/events` lists them."
            }
            Self::EventNotDropped => {
                "`GET /configuration/events/{eventId}` says what became of it: it was delivered, or is still being attempted."
            }
            Self::ReattemptInProgress => {
                "Wait until that reattempt has ended, some seconds, and look at the event then."
            }
            Self::JobNotFound => {
                "Use the `jobId` that `POST /configuration/webhooks/retrievals` has answered to the same developer."
            }
            Self::UpdateNotFound => {
                "Use the `updateId` that `POST /updates` has answered. Updates are kept for sixteen days."
            }
            Self::UpdateConflict => {
                "The first update stands. Publish what is new under an id or `Idempotency-Key` of its own; to repeat a request, \
                 send exactly the same again."
            }
            Self::UpdateInexpressible => {
                "Give the data that the message names, or publish an event that the developer's type has. The reference of \
                 `POST /updates` lists the events and their data."
            }
            Self::LinkUnauthorized => {
                "Use a link of this developer's, or the token of the developer to whom the link belongs."
            }
            Self::LinkNotFound => "Compare the id; the platform registers links with `PUT /links/{id}`.",
            Self::LinkDeleted => "Use another link. One that is connected anew has a new id.",
            Self::LinkForbidden => {
                "Use a link of the sandbox, and an event of a product that its user has permitted; the link's `products` list \
                 them."
            }
            Self::LinkBadState => "The end user connects the link anew; or use one that is connected.",
            Self::LinkBadConfig => {
                "Create a webhook that gets the event, or enable the one that would: then fire the test again."
            }
            Self::LinkOfAnother => {
                "Name the developer to whom the link belongs; `GET /links/{id}` says who that is. A link never changes hands."
            }
            Self::LinkAliasTaken => {
                "Give each link an alias of its own: the SHA-256 of the token that its developer has for this link. To move an \
                 alias, take it from the other link first."
            }
        }
    }
}
