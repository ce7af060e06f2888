//! Tests that concern more than one module.

mod agreement;
mod shift;

use super::*;

#[test]
fn a_stall_is_more_than_ten_medians() {
    let values = Sorted::new([1.0, 1.0, 1.0, 10.0, 10.1]).unwrap();
    assert_eq!(stall_count(&values), 1);
    assert_eq!(stall_count(&Sorted::new([0.0, 0.0, 5.0]).unwrap()), 0);
    assert_eq!(stall_count(&Sorted::new([]).unwrap()), 0);
}
