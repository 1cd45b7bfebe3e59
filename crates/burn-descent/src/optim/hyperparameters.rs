use crate::rule::{Epsilon, WeightDecay};

/// Gives access to the numbers among hyperparameters by name, in place and typed.
///
/// A number in a field goes by the field's name, `beta_1`; one inside an alternative by the names of both,
/// `epsilon.outside`, `form.schedule.momentum_decay`, as in a configuration file. Counts and seeds are no numbers in
/// this sense, since they do not vary.
///
/// ```
/// use burn_descent::optim::{AdamConfig, Hyperparameters};
///
/// let mut config = AdamConfig::new();
/// assert_eq!(config.number_names(), ["beta_1", "beta_2", "epsilon.outside"]);
/// *config.number_mut("epsilon.outside").expect("it stands outside") = 1e-3;
/// assert!(config.number_mut("epsilon.inside").is_none());
/// ```
pub trait Hyperparameters {
    /// Returns the place of the number that goes by `name`, if there is one.
    fn number_mut(&mut self, name: &str) -> Option<&mut f64>;

    /// Lists the names of all numbers.
    fn number_names(&self) -> Vec<String>;
}

/// Treats a plain number as one without a name of its own, which goes by the name of its field.
impl Hyperparameters for f64 {
    fn number_mut(&mut self, name: &str) -> Option<&mut f64> {
        name.is_empty().then_some(self)
    }

    fn number_names(&self) -> Vec<String> {
        vec![String::new()]
    }
}

impl<H: Hyperparameters> Hyperparameters for Option<H> {
    fn number_mut(&mut self, name: &str) -> Option<&mut f64> {
        self.as_mut()?.number_mut(name)
    }

    fn number_names(&self) -> Vec<String> {
        self.as_ref().map_or_else(Vec::new, H::number_names)
    }
}

/// `name` without `field` in front, if it is that field's or of something in it.
pub(crate) fn within<'a>(name: &'a str, field: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(field)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

/// The names of what is in `field`, as seen from outside.
pub(crate) fn names_within(field: &str, held: &impl Hyperparameters) -> impl Iterator<Item = String> {
    let name = move |name: String| if name.is_empty() { field.to_owned() } else { format!("{field}.{name}") };
    held.number_names().into_iter().map(name)
}

/// Implements [`Hyperparameters`]: of a structure `numbers_of!(Config { field, … })`, of alternatives
/// `numbers_of!(enum Form { name = Variant(number), … })`, where variants without numbers may be left out.
macro_rules! numbers_of {
    (enum $kind:ident { $($name:literal = $variant:ident $shape:tt),* $(,)? }) => {
        impl $crate::optim::Hyperparameters for $kind {
            fn number_mut(&mut self, name: &str) -> Option<&mut f64> {
                match self {
                    $(Self::$variant $shape => {
                        let name = $crate::optim::within(name, $name)?;
                        $crate::optim::numbers_of!(@number_mut name $shape)
                    })*
                    #[allow(unreachable_patterns)]
                    _ => None,
                }
            }

            fn number_names(&self) -> Vec<String> {
                match self {
                    $(Self::$variant $shape => $crate::optim::numbers_of!(@names $name $shape),)*
                    #[allow(unreachable_patterns)]
                    _ => Vec::new(),
                }
            }
        }
    };
    (@number_mut $path:ident ($number:ident)) => { $path.is_empty().then_some($number) };
    (@number_mut $path:ident {$number:ident}) => { ($path == stringify!($number)).then_some($number) };
    (@names $name:literal ($number:ident)) => {{ let _ = $number; vec![$name.to_owned()] }};
    (@names $name:literal {$number:ident}) => {{
        let _ = $number;
        vec![concat!($name, ".", stringify!($number)).to_owned()]
    }};
    ($config:ident { $($field:ident),* $(,)? }) => {
        impl $crate::optim::Hyperparameters for $config {
            fn number_mut(&mut self, name: &str) -> Option<&mut f64> {
                $(if let Some(name) = $crate::optim::within(name, stringify!($field)) {
                    return $crate::optim::Hyperparameters::number_mut(&mut self.$field, name);
                })*
                let _ = name;
                None
            }

            fn number_names(&self) -> Vec<String> {
                let names: [Vec<String>; _] =
                    [$($crate::optim::names_within(stringify!($field), &self.$field).collect()),*];
                names.concat()
            }
        }
    };
}
pub(crate) use numbers_of;

numbers_of!(enum Epsilon { "inside" = Inside(epsilon), "outside" = Outside(epsilon) });
numbers_of!(enum WeightDecay { "l2" = L2(lambda), "decoupled" = Decoupled(lambda) });
