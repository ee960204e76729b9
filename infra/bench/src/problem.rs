//! Why a figure is missing. A part that meets one prints none of its figures.

/// What went wrong, for the person who runs the benchmark.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error("not measured: {0}")]
    NotMeasured(String),
}

impl Problem {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(crate) fn not_measured(why: impl Into<String>) -> Self {
        Self::NotMeasured(why.into())
    }
}

pub(crate) type Result<T> = std::result::Result<T, Problem>;
