//! Functions to see optimizers on, and descents on them.
//!
//! A [`Surface`] is a function of two coordinates with exact derivatives: Beale's, a saddle, a ravine, the loss of a
//! [`Gabor`] model. A [`Descent`] goes down on one by the same optimizers, schedules and transforms that train networks, and
//! gives its [`Path`]. [`Counterexample`] has the problems on which Adam does not converge, and [`Depth`] sends a gradient back
//! through many layers.
//!
//! Of a network's loss there are slices, [`line()`] and [`plane`], a curve between two solutions, [`Bezier`], and the
//! [`eigenvalues`] of its Hessian, which tell how sharp a minimum is.

mod depth;
mod descent;
mod gabor;
mod jet;
mod point;
mod reddi;
mod sharpness;
mod slice;
mod surface;

pub use depth::{Depth, DepthCure, DepthForm};
pub use descent::{Descent, DescentEnd, Landscape, Path};
pub use gabor::Gabor;
pub use reddi::Counterexample;
pub use sharpness::eigenvalues;
pub use slice::{Bezier, line, plane, random_direction};
pub use surface::{Surface, UnknownSurface};
