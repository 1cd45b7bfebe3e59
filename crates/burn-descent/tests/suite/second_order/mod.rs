//! The methods that look at the curvature.

mod line_search;
mod problems;
mod table;
