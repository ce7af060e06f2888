//! Statistics: pure functions over samples, each with the source of its formula.
