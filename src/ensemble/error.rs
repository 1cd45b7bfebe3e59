use burn::store::RecordError;

/// What cannot be an ensemble, or answer as one.
#[derive(Debug, thiserror::Error)]
pub enum EnsembleError {
    /// There are too few members, or not as many as were asked for.
    #[error("the members of the ensemble should be at least 1 in number{}, but are {value}", at_most(*.most))]
    Members {
        /// How many there are or were asked for.
        value: usize,
        /// How many there could be, where that is known.
        most: Option<usize>,
    },
    /// There is no device to train on.
    #[error("the devices of the ensemble should be at least 1 in number, but are 0")]
    NoDevices,
    /// Answers are not as many, or over as many classes, as they should be.
    #[error("the answers of {whose} should be {expected:?} (images, classes), but are {found:?}")]
    Shape {
        /// Whose answers they are: `member 2`, counted from 1, or `the ensemble`.
        whose: String,
        /// Images and classes of its answers.
        found: [usize; 2],
        /// Images and classes of the first member's, or of the labels.
        expected: [usize; 2],
    },
    /// A label is not among the classes.
    #[error("the label of image {image} should be below the number of classes, {classes}, but is {label}")]
    Label {
        /// The image, from 0.
        image: usize,
        /// The label.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A record does not hold a whole number of members.
    #[error("the record should hold {each} tensors for each member of the ensemble, but holds {tensors} in all")]
    Record {
        /// The number of its tensors.
        tensors: usize,
        /// The number of a member's tensors.
        each: usize,
    },
    /// A record is that of other networks.
    #[error("the record does not fit the ensemble: {0}")]
    Misfit(#[from] RecordError),
    /// There is no such combination.
    #[error("unknown combination `{0}`; known: probabilities, logits, vote")]
    Combination(String),
}

fn at_most(most: Option<usize>) -> String {
    most.map_or_else(String::new, |most| format!(" and at most {most}"))
}
