//! What Plaid's routes take, in Plaid's words. A client's id and secret are in the body, or in two headers.

use serde::Deserialize;
use utoipa::ToSchema;

/// A body that may hold the client's id and secret.
pub(super) trait Credentialed {
    fn client_id(&self) -> Option<&str>;
    fn secret(&self) -> Option<&str>;
}

macro_rules! bodies {
    ($($(#[$meta:meta])* $name:ident $schema:ident { $($(#[$of_field:meta])* $field:ident,)+ })+) => { $(
        $(#[$meta])*
        #[derive(Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[schema(as = $schema)]
        pub(super) struct $name {
            /// An API client's; unless it is in `PLAID-CLIENT-ID`.
            #[schema(examples("CLI-local-developer"))]
            client_id: Option<String>,
            /// Its secret; unless it is in `PLAID-SECRET`.
            #[schema(format = Password)]
            secret: Option<String>,
            $($(#[$of_field])* pub(super) $field: Option<String>,)+
        }

        impl Credentialed for $name {
            fn client_id(&self) -> Option<&str> {
                self.client_id.as_deref()
            }

            fn secret(&self) -> Option<&str> {
                self.secret.as_deref()
            }
        }
    )+ };
}

bodies! {
    /// Asks for a key.
    KeyRequest PlaidKeyRequest {
        /// The `kid` of the token that it is to verify.
        #[schema(value_type = String, required = true)]
        key_id,
    }

    /// Gives an item a webhook.
    WebhookRequest PlaidWebhookRequest {
        /// The link's id, or what its alias is the digest of.
        #[schema(value_type = String, required = true)]
        access_token,
        /// The new URL; null for none.
        webhook,
    }

    /// Fires a webhook.
    FireRequest PlaidFireRequest {
        /// The link's id, or what its alias is the digest of.
        #[schema(value_type = String, required = true)]
        access_token,
        /// Unless given, the one that the code is mostly of.
        #[schema(examples("TRANSACTIONS"))]
        webhook_type,
        /// One that the type plaid has.
        #[schema(value_type = String, required = true, examples("SYNC_UPDATES_AVAILABLE"))]
        webhook_code,
    }
}
