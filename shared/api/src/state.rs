//! What the handlers of a function share, and how they get at it.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRef;

use crate::caller::Api;

/// What an HTTP function works with. It has an [`Api`], which tells its handlers who is calling.
pub trait HasApi {
    fn api(&self) -> &Api;
}

/// What the handlers of a function share.
#[derive(Debug)]
pub struct Shared<F>(Arc<F>);

impl<F> Shared<F> {
    pub fn new(functions: F) -> Self {
        Self(Arc::new(functions))
    }
}

impl<F> Clone for Shared<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> Deref for Shared<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.0
    }
}

impl<F: HasApi> FromRef<Shared<F>> for Api {
    fn from_ref(shared: &Shared<F>) -> Self {
        shared.api().clone()
    }
}
