//! Work done at once but apart: a panic in one piece of it is the end of that piece alone.

use std::future::Future;

use futures::future::join_all;
use tenday_telemetry::{in_request, request_id};

/// Does all of `work` at once, each piece in a task of its own. What panicked is missing from the answer, so that its
/// message stays with the queue while the others of its batch are done with.
pub(crate) async fn each_apart<T, R, F>(work: Vec<T>, make: impl Fn(T) -> F) -> Vec<(T, R)>
where
    T: Clone,
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let tasks = work.into_iter().map(|piece| {
        let task = tokio::spawn(in_request(request_id(), make(piece.clone())));
        async move { (piece, task.await) }
    });
    let mut done = Vec::new();
    for (piece, result) in join_all(tasks).await {
        match result {
            Ok(result) => done.push((piece, result)),
            Err(error) => tracing::error!(error = %error, "an attempt panicked"),
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_on_one_message_of_ten_leaves_the_other_nine_done() {
        let done = each_apart((0..10).collect(), |number| async move {
            assert_ne!(number, 6, "as planned");
            number * 2
        })
        .await;
        let expected: Vec<_> = (0..10).filter(|number| *number != 6).map(|number| (number, number * 2)).collect();
        assert_eq!(done, expected);
    }
}
