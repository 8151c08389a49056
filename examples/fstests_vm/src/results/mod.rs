//! What came of the tests, and how it is told.
