//! What a browser may do with the pages: their content security policies, which are made once.

use crate::files::REFERENCE_STYLE;

const FRAME_ANCESTORS: &str = "DASHBOARD_FRAME_ANCESTORS";

/// Of which sites may show the dashboard within their own pages, what is wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Wrong {
    #[error("{FRAME_ANCESTORS} is not set")]
    Missing,
    #[error("{FRAME_ANCESTORS} has {0:?}; it takes 'none', or 'self' and origins that begin with https://")]
    Source(String),
}

pub(crate) struct Policies {
    pub(crate) dashboard: String,
    pub(crate) reference: String,
    /// Of an answer that is nothing to look at.
    pub(crate) nothing: &'static str,
}

impl Policies {
    pub(crate) fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Wrong> {
        let given = variable(FRAME_ANCESTORS).ok_or(Wrong::Missing)?;
        let sources: Vec<&str> = given.split_ascii_whitespace().collect();
        let known = |source: &&str| match *source {
            "'none'" => sources.len() == 1,
            "'self'" => true,
            // Nothing in it can end the directive, or the policy.
            origin => origin.starts_with("https://") && !origin.contains([';', ',', '\'', '"']) && origin.is_ascii(),
        };
        if let Some(wrong) = sources.iter().find(|source| !known(source)) {
            return Err(Wrong::Source((*wrong).to_owned()));
        }
        let ancestors = if sources.is_empty() { "'none'".to_owned() } else { sources.join(" ") };
        Ok(Self {
            dashboard: format!(
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                 base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}; require-trusted-types-for 'script'; \
                 trusted-types 'none'"
            ),
            reference: format!(
                "default-src 'none'; style-src {REFERENCE_STYLE}; base-uri 'none'; form-action 'none'; \
                 frame-ancestors {ancestors}"
            ),
            nothing: "default-src 'none'; frame-ancestors 'none'",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dashboard(given: &str) -> Result<String, String> {
        let policies = Policies::from_environment(|name| (name == FRAME_ANCESTORS).then(|| given.to_owned()));
        policies.map(|policies| policies.dashboard).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn who_may_frame_the_dashboard_is_told_and_nothing_else_can_be() {
        for (given, told) in [
            ("'none'", "frame-ancestors 'none';"),
            ("", "frame-ancestors 'none';"),
            ("'self' https://app.example.com", "frame-ancestors 'self' https://app.example.com;"),
            ("  https://*.example.com  ", "frame-ancestors https://*.example.com;"),
        ] {
            assert!(dashboard(given).unwrap().contains(told), "{given}");
        }
        for wrong in ["*", "http://a.example", "'none' 'self'", "https://a.example;script-src *", "https://a,b", "self"]
        {
            assert!(dashboard(wrong).unwrap_err().contains("it takes"), "{wrong}");
        }
        assert!(Policies::from_environment(|_| None).is_err());
    }
}
