use burn::store::RecordError;

/// Fails where networks cannot be an ensemble, or cannot answer as one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnsembleError {
    /// Says that there are too few members, or not as many as were asked for.
    #[error("the members of the ensemble should be at least 1 in number{}, but are {value}", at_most(*.most))]
    Members {
        /// Gives how many there are or were asked for.
        value: usize,
        /// Gives how many there could be, where that is known.
        most: Option<usize>,
    },
    /// Says that there is no device to train on.
    #[error("the devices of the ensemble should be at least 1 in number, but are 0")]
    NoDevices,
    /// Says that answers are not as many, or over as many classes, as they should be.
    #[error("the answers of {whose} should be {expected:?} (images, classes), but are {found:?}")]
    Shape {
        /// Says whose answers they are: `member 2`, counted from 1, or `the ensemble`.
        whose: String,
        /// Gives the number of images and of classes of these answers.
        found: [usize; 2],
        /// Gives the number of images and of classes of the first member's answers, or of the labels.
        expected: [usize; 2],
    },
    /// Says that a label is not among the classes.
    #[error("the label of image {image} should be below the number of classes, {classes}, but is {label}")]
    Label {
        /// Gives the number of the image, from 0.
        image: usize,
        /// Gives the label.
        label: usize,
        /// Gives the number of classes.
        classes: usize,
    },
    /// Says that a record does not hold a whole number of members.
    #[error("the record should hold {each} tensors for each member of the ensemble, but holds {tensors} in all")]
    Record {
        /// Gives the number of its tensors.
        tensors: usize,
        /// Gives the number of a member's tensors.
        each: usize,
    },
    /// Says that a record is that of other networks.
    #[error("the record does not fit the ensemble: {0}")]
    Misfit(#[from] RecordError),
    /// Says that there is no combination of that name.
    #[error("unknown combination `{0}`; known: probabilities, logits, vote")]
    Combination(String),
}

fn at_most(most: Option<usize>) -> String {
    most.map_or_else(String::new, |most| format!(" and at most {most}"))
}
