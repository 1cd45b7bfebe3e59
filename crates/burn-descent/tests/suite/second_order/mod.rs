//! The methods that look at the curvature.

mod gauss_newton;
mod line_search;
mod methods;
mod more;
pub mod problems;
mod table;
