//! The threads that run QEMU's virtual processors, as QEMU tells them: it names threads only when it is asked to.

use super::qmp::{QmpClient, QmpError};
use isodyne_core::unit::HostInstant;
use serde_json::Value;

/// The question.
pub(super) const QUESTION: &str = "query-cpus-fast";

/// The threads, in the order of the processors that they run. Under TCG several processors may share one.
///
/// # Errors
/// [`QmpError`]
pub(super) fn threads(qmp: &mut QmpClient, deadline: HostInstant) -> Result<Vec<u32>, QmpError> {
    let answer = qmp.execute(QUESTION, deadline)?;
    read(&answer).ok_or_else(|| QmpError::Refused {
        command: QUESTION.to_owned(),
        description: "its answer does not tell the threads".to_owned(),
    })
}

fn read(answer: &Value) -> Option<Vec<u32>> {
    let processor = |entry: &Value| {
        let number = |key: &str| u32::try_from(entry.get(key)?.as_u64()?).ok();
        Some((number("cpu-index")?, number("thread-id")?))
    };
    let mut processors: Vec<(u32, u32)> = answer.as_array()?.iter().map(processor).collect::<Option<_>>()?;
    processors.sort_unstable();
    Some(processors.into_iter().map(|(_, thread)| thread).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn threads_are_in_the_order_of_their_processors() {
        let processor = |index, thread| json!({ "cpu-index": index, "thread-id": thread, "qom-path": "/machine" });
        assert_eq!(read(&json!([processor(1, 70), processor(0, 71)])), Some(vec![71, 70]));
        assert_eq!(read(&json!([processor(0, 71), { "cpu-index": 1 }])), None);
        assert_eq!(read(&json!([processor(0, 71), processor(1, -2)])), None);
        assert_eq!(read(&json!({})), None);
    }
}
