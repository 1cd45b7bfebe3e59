//! Functions to see optimizers on, and descents on them.
//!
//! A [`Surface`] is a function of two coordinates with exact derivatives: Beale's, a saddle, a ravine, the loss of a
//! [`Gabor`] model. A [`Descent`] goes down on one by the same optimizers, schedules and transforms that train networks, and
//! gives its [`Path`]. [`Counterexample`] has the problems on which Adam does not converge.

mod depth;
mod descent;
mod gabor;
mod jet;
mod point;
mod reddi;
mod surface;

pub use depth::{Depth, DepthCure, DepthForm};
pub use descent::{Descent, DescentEnd, Landscape, Path};
pub use gabor::Gabor;
pub use reddi::Counterexample;
pub use surface::{Surface, UnknownSurface};
