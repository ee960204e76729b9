//! The data of each update: what the platform gives, in the platform's words and not in any provider's.
//!
//! An id is a text. Yodlee writes ids as numbers, so what becomes an id of Yodlee's has to be digits (`"10"`).
//! `userId` is the id that the platform shows the developer for an end user: mx `user_guid`, yodlee `loginName`,
//! plaid `user_id`.
//! When something happened is the update's own `occurredAt`, and is not repeated here.

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use super::datum::{Percent, Record};
use super::declare::{data, words};

words! {
    /// Where a link lives. Plaid's current payloads carry it, LinkMoney's of Plaid's shape do not (docs/sources.md,
    /// L.4, P.2).
    Environment { Sandbox = "sandbox", Production = "production" }

    /// Why a link stopped working (Teller's words: docs/sources.md, T.3).
    DisconnectReason {
        Disconnected = "disconnected",
        AccountLocked = "disconnected.account_locked",
        CredentialsInvalid = "disconnected.credentials_invalid",
        EnrollmentInactive = "disconnected.enrollment_inactive",
        CaptchaRequired = "disconnected.user_action.captcha_required",
        ContactInformationRequired = "disconnected.user_action.contact_information_required",
        InsufficientPermissions = "disconnected.user_action.insufficient_permissions",
        MfaRequired = "disconnected.user_action.mfa_required",
        WebLoginRequired = "disconnected.user_action.web_login_required",
    }

    /// Who takes part in a consent (FDX's words: docs/sources.md, F.5).
    PartyType {
        DataAccessPlatform = "DATA_ACCESS_PLATFORM",
        DataProvider = "DATA_PROVIDER",
        DataRecipient = "DATA_RECIPIENT",
        Individual = "INDIVIDUAL",
        Merchant = "MERCHANT",
        Vendor = "VENDOR",
    }

    /// Why a consent changed (FDX's words: docs/sources.md, F.4).
    ConsentReason {
        BusinessRule = "BUSINESS_RULE",
        SecurityEvent = "SECURITY_EVENT",
        UserAction = "USER_ACTION",
        Other = "OTHER",
    }

    /// How bad it is (FDX's words: docs/sources.md, F.3).
    Severity { Emergency = "EMERGENCY", Alert = "ALERT", Warning = "WARNING", Notice = "NOTICE", Info = "INFO" }

    /// How soon it should be read (FDX's words: docs/sources.md, F.3).
    Priority { High = "HIGH", Medium = "MEDIUM", Low = "LOW" }

    /// The states of a connection that its user can do something about: the only ones MX tells (docs/sources.md, X.2).
    ConnectionStatus {
        Challenged = "CHALLENGED",
        Denied = "DENIED",
        Expired = "EXPIRED",
        Impaired = "IMPAIRED",
        Impeded = "IMPEDED",
        Locked = "LOCKED",
        Prevented = "PREVENTED",
        Rejected = "REJECTED",
    }

    /// Whether an account's balance could be refreshed.
    BalanceStatus { Success = "SUCCESS", Failed = "FAILED" }

    /// How a refresh ended.
    RefreshStatus { Success = "SUCCESS", PartialSuccess = "PARTIAL_SUCCESS", Failed = "FAILED" }

    /// Whether a link is refreshed without its user.
    AutoRefreshStatus { Enabled = "ENABLED", Disabled = "DISABLED" }

    /// The state of a link (MoneyKit's words: docs/sources.md, M.4).
    LinkState {
        Connecting = "connecting",
        AwaitingTokenExchange = "awaiting_token_exchange",
        Connected = "connected",
        Deleted = "deleted",
        Error = "error",
    }

    /// Why a link is in the state `error` (MoneyKit's words: docs/sources.md, M.4).
    LinkError {
        SystemError = "system_error",
        ProviderError = "provider_error",
        InstitutionError = "institution_error",
        UserError = "user_error",
        AuthExpired = "auth_expired",
        NoAccounts = "no_accounts",
        UserSetupRequired = "user_setup_required",
        InvalidCredentials = "invalid_credentials",
        UserOauthDenied = "user_oauth_denied",
        UserInputIncorrect = "user_input_incorrect",
        Incomplete = "incomplete",
    }

    /// What a link gives access to (MoneyKit's words: docs/sources.md, M.5).
    Product {
        Accounts = "accounts",
        AccountNumbers = "account_numbers",
        Identity = "identity",
        Transactions = "transactions",
        Investments = "investments",
        Enrichment = "enrichment",
    }

    /// How far the refresh of a product has come (MoneyKit's words: docs/sources.md, M.5).
    ProductState {
        Pending = "pending",
        InProgress = "in_progress",
        Completed = "completed",
        Failed = "failed",
    }

    /// What was done to a record.
    RecordAction { Created = "created", Updated = "updated", Deleted = "deleted" }

    /// What a record is of (docs/sources.md, X.3).
    RecordKind {
        User = "user",
        Member = "member",
        Transaction = "transaction",
        Goal = "goal",
        Category = "category",
        Tag = "tag",
        Tagging = "tagging",
    }
}

data! {
    /// Transactions of a link came in, for the first time or back to the beginning of its history.
    TransactionsArrived {
        link_id "linkId" required String = "The link. Yodlee's data updates do not tell it.";
        user_id "userId" optional String = "The end user. Needed by mx and yodlee.";
        client_user_id "clientUserId" optional String = "The developer's own id for the end user; told by mx.";
        environment "environment" optional Environment = "Where the link lives; told by plaid.";
        new_transactions "newTransactions" required u64 = "How many are new.";
        updated_transactions "updatedTransactions" optional u64 = "How many known ones changed. Needed by mx.";
        background "background" optional bool = "Whether it ran without the user; told by mx.";
        job_id "jobId" optional String = "The aggregation's id; told by mx.";
        from "from" optional Timestamp = "Since when data changed. Needed by yodlee.";
        to "to" optional Timestamp = "Until when data changed. Needed by yodlee.";
        transactions "transactions" optional Vec<Record> =
            "The transactions, in the shape that the developer's type has for them. Needed by teller.";
    }

    /// Transactions of a link came in or changed after the first ones.
    TransactionsUpdated {
        link_id "linkId" required String = "The link. Yodlee's data updates do not tell it.";
        user_id "userId" optional String = "The end user. Needed by mx and yodlee.";
        client_user_id "clientUserId" optional String = "The developer's own id for the end user; told by mx.";
        environment "environment" optional Environment = "Where the link lives; told by plaid.";
        new_transactions "newTransactions" optional u64 =
            "How many are new. Needed by mx, and by plaid without `initialUpdateComplete`.";
        updated_transactions "updatedTransactions" optional u64 = "How many known ones changed. Needed by mx.";
        initial_update_complete "initialUpdateComplete" optional bool =
            "Whether the first transactions are in. With it plaid gets SYNC_UPDATES_AVAILABLE, else DEFAULT_UPDATE.";
        historical_update_complete "historicalUpdateComplete" optional bool =
            "Whether the whole history is in. Goes with `initialUpdateComplete`.";
        background "background" optional bool = "Whether it ran without the user; told by mx.";
        job_id "jobId" optional String = "The aggregation's id; told by mx.";
        from "from" optional Timestamp = "Since when data changed. Needed by yodlee.";
        to "to" optional Timestamp = "Until when data changed. Needed by yodlee.";
        transactions "transactions" optional Vec<Record> =
            "The transactions, in the shape that the developer's type has for them. Needed by teller.";
    }

    /// Transactions of a link are gone.
    TransactionsRemoved {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user.";
        environment "environment" optional Environment = "Where the link lives; told by plaid.";
        transaction_ids "transactionIds" required Vec<String> = "Which ones.";
    }

    /// The recurring transactions of a link changed.
    RecurringTransactionsUpdated {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user.";
        environment "environment" optional Environment = "Where the link lives; told by plaid.";
        account_ids "accountIds" required Vec<String> = "The accounts they belong to.";
    }

    /// A link stopped working.
    ItemError {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user.";
        environment "environment" optional Environment = "Where the link lives; told by plaid.";
        error "error" required ItemErrorCause = "Why.";
        disconnect_reason "disconnectReason" optional DisconnectReason =
            "Why, in Teller's words; `disconnected` if absent. Told by teller.";
    }

    /// Why a link stopped working, in Plaid's terms (docs/sources.md, P.3).
    ItemErrorCause {
        error_type "type" required String = "The kind of error, `ITEM_ERROR`.";
        code "code" required String = "The error, `ITEM_LOGIN_REQUIRED`.";
        code_reason "codeReason" nullable String = "The reason behind the code; null and absent are told apart.";
        message "message" required String = "What happened, for developers.";
        display_message "displayMessage" optional String = "What happened, for end users.";
        status "status" optional u64 = "An HTTP status, 400.";
        documentation_url "documentationUrl" optional String = "A page about the error.";
        suggested_action "suggestedAction" optional String = "What the end user can do.";
    }

    /// The user's consent for a link is about to end.
    ConsentExpiring {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user.";
        environment "environment" optional Environment = "Where the link lives; told by plaid.";
        expires_at "expiresAt" required Timestamp = "When it ends.";
    }

    /// A link is about to be cut off.
    Disconnecting {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user.";
        environment "environment" optional Environment = "Where the link lives; told by plaid.";
        reason "reason" required String = "Why, `INSTITUTION_MIGRATION`.";
        disconnect_at "disconnectAt" optional Timestamp = "When.";
    }

    /// A change of a link that needs no more words.
    ItemChanged {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user.";
        environment "environment" optional Environment = "Where the link lives; told by plaid.";
    }

    /// The URL that hears of a link was changed.
    ItemWebhookChanged {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user.";
        environment "environment" optional Environment = "Where the link lives; told by plaid.";
        new_callback_url "newCallbackURL" required String = "The new URL.";
    }

    /// A consent was given, changed, taken back, or ended.
    ConsentChanged {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user. Needed by finicity.";
        environment "environment" optional Environment = "Where the link lives; told by plaid.";
        consent_id "consentId" optional String = "The consent. Needed by fdx and finicity.";
        institution_id "institutionId" optional String = "The institution. Needed by finicity.";
        account_ids "accountIds" optional Vec<String> = "The accounts that the consent is for. Needed by finicity.";
        account_id "accountId" optional String =
            "The one account that a consent was taken back for. With it plaid gets USER_ACCOUNT_REVOKED, else \
             USER_PERMISSION_REVOKED.";
        expires_at "expiresAt" optional Timestamp = "When the consent ends.";
        reason "reason" optional ConsentReason = "Why it changed; told by fdx.";
        other_reason "otherReason" optional String = "Why, in words, if the reason is `OTHER`; told by fdx.";
        initiator "initiator" optional PartyType = "Who changed it; told by fdx.";
        error "error" optional ItemErrorCause = "What calls to the link answer now; told by plaid.";
        consent "consent" optional Record =
            "The whole consent as it is now, in the shape that the developer's type has for it. Needed by finicity.";
        publisher "publisher" optional Party = "Who tells it. Needed by fdx.";
        severity "severity" optional Severity = "How bad it is; told by fdx.";
        priority "priority" optional Priority = "How soon it should be read; told by fdx.";
    }

    /// Somebody who takes part in a consent, or tells of an outage (docs/sources.md, F.5).
    Party {
        name "name" required String = "Its name, for people.";
        party_type "type" required PartyType = "What it is.";
        registered_entity_id "registeredEntityId" optional String = "Its id in a registry.";
    }

    /// An institution cannot be reached, will not be, or can be again.
    InstitutionOutage {
        institution_id "institutionId" required String = "The institution.";
        environment "environment" optional Environment = "Whose links are concerned. Needed by plaid.";
        outage_id "outageId" optional String = "The outage. Needed by fdx.";
        starts_at "startsAt" optional Timestamp = "When it begins, or began.";
        ends_at "endsAt" optional Timestamp = "When it is to end, or ended.";
        success_percent "successPercent" optional Percent =
            "How many of a hundred attempts to link the institution succeed. Needed by plaid.";
        message "message" optional String = "What happened, in words.";
        publisher "publisher" optional Party = "Who tells it. Needed by fdx.";
        severity "severity" optional Severity = "How bad it is; told by fdx.";
        priority "priority" optional Priority = "How soon it should be read; told by fdx.";
    }

    /// A connection got into a state that its user can do something about.
    ConnectionStatusChanged {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user. Needed by mx.";
        status "status" required ConnectionStatus = "The state.";
        status_id "statusId" optional u64 =
            "The state's number at MX. Needed by mx for EXPIRED, IMPAIRED and IMPEDED; the others are known.";
        message "message" optional String = "What the user can do. Needed by mx.";
    }

    /// Balances of a link's accounts were refreshed.
    BalancesUpdated {
        link_id "linkId" required String = "The link; digits for yodlee.";
        user_id "userId" optional String = "The end user. Needed by mx and yodlee.";
        client_user_id "clientUserId" optional String = "The developer's own id for the end user; told by mx.";
        accounts "accounts" optional Vec<AccountBalanceStatus> = "How it went, account by account. Needed by yodlee.";
    }

    /// How the refresh of one account's balance went.
    AccountBalanceStatus {
        account_id "accountId" required String = "The account; digits for yodlee.";
        status "status" required BalanceStatus = "How it went.";
    }

    /// Investment holdings came in or changed.
    HoldingsUpdated {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user.";
        environment "environment" optional Environment = "Where the link lives; told by plaid.";
        new_holdings "newHoldings" required u64 = "How many are new.";
        updated_holdings "updatedHoldings" required u64 = "How many known ones changed.";
    }

    /// Investment transactions came in or were canceled.
    InvestmentTransactionsUpdated {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user.";
        environment "environment" optional Environment =
            "Where the link lives; told by plaid, and with it plaid's counter is spelled `cancelled_…`.";
        new_transactions "newTransactions" required u64 = "How many are new.";
        canceled_transactions "canceledTransactions" required u64 = "How many were canceled.";
    }

    /// Liabilities came in or changed.
    LiabilitiesUpdated {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user.";
        environment "environment" optional Environment = "Where the link lives; told by plaid.";
        accounts_with_new "accountsWithNewLiabilities" required Vec<String> = "The accounts that have new ones.";
        accounts_with_updated "accountsWithUpdatedLiabilities" required BTreeMap<String, Vec<String>> =
            "For each account that has changed ones, what changed.";
    }

    /// Statements came in.
    StatementsCreated {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user. Needed by mx.";
        client_user_id "clientUserId" optional String = "The developer's own id for the end user; told by mx.";
        job_id "jobId" optional String = "The aggregation's id; told by mx.";
        new_statements "newStatements" required u64 = "How many.";
    }

    /// A user added accounts to a link.
    AccountsAdded {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user. Needed by finicity.";
        institution_id "institutionId" optional String = "The institution. Needed by finicity.";
        account_ids "accountIds" required Vec<String> = "The accounts.";
        accounts "accounts" optional Vec<Record> =
            "The accounts, in the shape that the developer's type has for them. Needed by finicity.";
    }

    /// Accounts were taken off a link.
    AccountsRemoved {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user. Needed by finicity.";
        institution_id "institutionId" optional String = "The institution. Needed by finicity.";
        account_ids "accountIds" required Vec<String> = "The accounts.";
    }

    /// The numbers of a link's accounts were verified.
    AccountsVerified {
        link_id "linkId" required String = "The link.";
        user_id "userId" optional String = "The end user. Needed by mx.";
        client_user_id "clientUserId" optional String = "The developer's own id for the end user; told by mx.";
        job_id "jobId" optional String = "The verification's id; told by mx.";
        account_ids "accountIds" required Vec<String> = "The accounts; one for teller.";
    }

    /// A refresh of a link came to its end.
    RefreshFinished {
        link_id "linkId" required String = "The link; digits for yodlee.";
        user_id "userId" optional String = "The end user. Needed by yodlee.";
        institution_id "institutionId" optional String = "The institution; digits. Needed by yodlee.";
        manual "manual" optional bool = "Whether the link was made by hand.";
        linked_at "linkedAt" optional Timestamp = "When the link was made.";
        source "source" optional String = "Who asked for the refresh, `USER`.";
        status "status" required RefreshStatus = "How it ended.";
        request_id "requestId" optional String = "The refresh's id.";
        datasets "datasets" optional Vec<Dataset> = "How it ended, part by part.";
    }

    /// How the refresh of one part of a link's data ended (docs/sources.md, Y.2).
    Dataset {
        name "name" required String = "The part, `BASIC_AGG_DATA`.";
        status "status" required String = "How it ended, `AVAILABLE_DATA_RETRIEVED`.";
        update_eligibility "updateEligibility" optional String = "Whether it may be refreshed again, `ALLOW_UPDATE`.";
        last_updated_at "lastUpdatedAt" optional Timestamp = "When it last succeeded.";
        last_attempt_at "lastAttemptAt" optional Timestamp = "When it was last tried.";
    }

    /// The automatic refresh of a link was switched on or off.
    AutoRefreshChanged {
        link_id "linkId" required String = "The link; digits for yodlee.";
        user_id "userId" optional String = "The end user. Needed by yodlee.";
        account_ids "accountIds" required Vec<String> = "The link's accounts; digits for yodlee.";
        status "status" required AutoRefreshStatus = "Whether it is on.";
        reason "reason" optional String = "Why, `SCHEDULED`. Needed by yodlee.";
    }

    /// A link got into another state. MoneyKit's shape, whatever the type.
    LinkStateChanged {
        link_id "linkId" required String = "The link.";
        link_tags "linkTags" optional Vec<String> = "The link's tags; none if absent.";
        state "state" required LinkState = "The state.";
        error "error" optional LinkError = "Why, in the state `error`.";
        error_message "errorMessage" optional String = "Why, in words.";
    }

    /// The refresh of one product of a link got further. MoneyKit's shape, whatever the type.
    LinkProductRefreshed {
        link_id "linkId" required String = "The link.";
        link_tags "linkTags" optional Vec<String> = "The link's tags; none if absent.";
        product "product" required Product = "The product.";
        state "state" required ProductState = "How far it has come.";
        state_changed_at "stateChangedAt" optional Timestamp = "Since when; the update's own time if absent.";
        error_message "errorMessage" optional String = "What went wrong.";
    }

    /// New transactions of a link can be fetched. MoneyKit's shape, whatever the type.
    HistoryAvailable {
        link_id "linkId" required String = "The link.";
        link_tags "linkTags" optional Vec<String> = "The link's tags; none if absent.";
        has_history "hasHistory" optional bool = "Whether the whole history that was asked for is in.";
    }

    /// Data of users changed, whichever it was.
    DataUpdated {
        user_ids "userIds" required Vec<String> = "The end users.";
        from "from" required Timestamp = "Since when.";
        to "to" required Timestamp = "Until when.";
    }

    /// A record was made, changed or deleted.
    RecordChanged {
        action "action" required RecordAction = "What was done to it.";
        kind "kind" required RecordKind = "What it is of.";
        record "record" required Record =
            "The record, in the shape that the developer's type has for it; its dates are kept as given.";
    }
}
