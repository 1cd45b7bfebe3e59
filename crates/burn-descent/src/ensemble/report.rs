use super::{Combination, EnsembleError};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Compares what the members of an ensemble gain together with what the correlation of their errors predicts (coverage
/// F12, Kao).
///
/// The error of member i is ε_i = p_i − y: its probabilities less the label's 1 among zeros, for each image and class.
/// E[ε_i ε_j] is the mean over the images of the product summed over the classes; E ε_i² is the member's Brier score,
/// from 0 to 2. The lecture's prediction for the squared error of the averaged probabilities of k members is
///
/// ```text
/// E/k + (k − 1)/k·P,   E = mean of E ε_i² over i,   P = mean of E[ε_i ε_j] over i ≠ j
/// ```
///
/// which assumes nothing where E and P are means over the members: it is E[(Σ ε_i/k)²] written out, and equals the
/// actual squared error up to rounding. Of averaged logits or votes it is no identity, and the difference is what they
/// do better or worse than averaged probabilities. Independent members would have P = 0; those that are all the same
/// have P = E.
///
/// ```
/// use burn_descent::ensemble::{Combination, EnsembleReport};
///
/// // Two images of class 0. Each member is wrong about one of them.
/// let members = [[[0.9, 0.1], [0.4, 0.6]], [[0.2, 0.8], [0.9, 0.1]]].map(|rows| rows.to_vec());
/// let mean = [[0.55, 0.45], [0.65, 0.35]];
/// let report = EnsembleReport::new(Combination::Probabilities, &members, &mean, &[0, 0])?;
/// assert_eq!((report.mean_accuracy, report.accuracy), (0.5, 1.0));
/// assert!((report.predicted - report.actual).abs() < 1e-7);
/// # Ok::<(), burn_descent::ensemble::EnsembleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnsembleReport {
    /// Says how the members' answers were combined.
    pub combination: Combination,
    /// Holds the errors of each member by itself.
    pub members: Vec<MemberErrors>,
    /// Holds the correlation of the errors of each two members, E[ε_i ε_j]/√(E ε_i²·E ε_j²): from −1 to 1, 1 with
    /// itself. It is Pearson's, since the errors of an image sum to 0 over the classes. It is 0 where a member makes no
    /// error at all.
    pub correlations: Vec<Vec<f64>>,
    /// Gives E, the mean of the members' squared errors.
    pub mean_squared_error: f64,
    /// Gives P, the mean of E[ε_i ε_j] over each two members; 0 if there is but one.
    pub mean_product: f64,
    /// Gives the predicted squared error, E/k + (k − 1)/k·P.
    pub predicted: f64,
    /// Gives the squared error of the combined probabilities.
    pub actual: f64,
    /// Gives the mean of the members' accuracies, 0 to 1.
    pub mean_accuracy: f64,
    /// Gives the accuracy of the combined probabilities, 0 to 1.
    pub accuracy: f64,
}

/// Holds the errors of one member of an ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberErrors {
    /// Gives the share of the images whose likeliest class is their label, 0 to 1.
    pub accuracy: f64,
    /// Gives the squared error E ε_i², from 0 to 2.
    pub squared_error: f64,
}

impl EnsembleReport {
    /// Compares each member's probabilities, and the `combined` ones, with the labels: a row of class probabilities for
    /// each image.
    ///
    /// # Errors
    ///
    /// Returns an error if there are no members, their rows are not as many and as long as those of `combined`, or a
    /// label is not among the classes.
    pub fn new<R: AsRef<[f32]>>(
        combination: Combination,
        members: &[Vec<R>],
        combined: &[R],
        labels: &[u32],
    ) -> Result<Self, EnsembleError> {
        if members.is_empty() {
            return Err(EnsembleError::Members { value: 0, most: None });
        }
        let k = members.len() as f64;
        let classes = combined.first().map_or(0, |row| row.as_ref().len());
        let errors =
            |(index, rows): (usize, &Vec<R>)| Errors::new(&format!("member {}", index + 1), rows, labels, classes);
        let errors = members.iter().enumerate().map(errors).collect::<Result<Vec<_>, _>>()?;
        let together = Errors::new("the ensemble", combined, labels, classes)?;
        let products: Vec<Vec<f64>> =
            errors.iter().map(|one| errors.iter().map(|other| one.product(other)).collect()).collect();
        let all: f64 = products.iter().flatten().sum();
        let squares: f64 = (0..members.len()).map(|i| products[i][i]).sum();
        let pairs = k * (k - 1.0);
        let (mean_squared_error, mean_product) = (squares / k, if pairs > 0.0 { (all - squares) / pairs } else { 0.0 });
        let correlation = |i: usize, j: usize| {
            let scale = (products[i][i] * products[j][j]).sqrt();
            if scale > 0.0 { products[i][j] / scale } else { 0.0 }
        };
        let numbers = 0..members.len();
        Ok(Self {
            combination,
            correlations: numbers.clone().map(|i| numbers.clone().map(|j| correlation(i, j)).collect()).collect(),
            mean_squared_error,
            mean_product,
            predicted: mean_squared_error / k + (k - 1.0) / k * mean_product,
            actual: together.product(&together),
            mean_accuracy: errors.iter().map(|errors| errors.accuracy).sum::<f64>() / k,
            accuracy: together.accuracy,
            members: numbers
                .map(|i| MemberErrors { accuracy: errors[i].accuracy, squared_error: products[i][i] })
                .collect(),
        })
    }

    /// Returns by how much the ensemble's accuracy is above the mean of its members', as a share: 0.01 is one point.
    pub fn gain(&self) -> f64 {
        self.accuracy - self.mean_accuracy
    }
}

/// Returns the class with the highest of the `probabilities`, one for each class; the first of equals.
pub fn argmax(probabilities: &[f32]) -> usize {
    let higher = |best, class| if probabilities[class] > probabilities[best] { class } else { best };
    (1..probabilities.len()).fold(0, higher)
}

/// ε for each image and class.
struct Errors {
    values: Vec<f64>,
    images: usize,
    accuracy: f64,
}

impl Errors {
    fn new<R: AsRef<[f32]>>(whose: &str, rows: &[R], labels: &[u32], classes: usize) -> Result<Self, EnsembleError> {
        let odd = rows.iter().map(|row| row.as_ref().len()).find(|length| *length != classes);
        let (found, expected) = ([rows.len(), odd.unwrap_or(classes)], [labels.len(), classes]);
        if found != expected {
            return Err(EnsembleError::Shape { whose: whose.to_owned(), found, expected });
        }
        let mut values = Vec::with_capacity(rows.len() * classes);
        let mut right = 0;
        for (image, (row, label)) in rows.iter().map(R::as_ref).zip(labels).enumerate() {
            let label = *label as usize;
            if label >= classes {
                return Err(EnsembleError::Label { image, label, classes });
            }
            let y = |class| if class == label { 1.0 } else { 0.0 };
            values.extend(row.iter().enumerate().map(|(class, p)| f64::from(*p) - y(class)));
            right += usize::from(argmax(row) == label);
        }
        let images = labels.len().max(1);
        Ok(Self { values, images, accuracy: right as f64 / images as f64 })
    }

    /// E[ε_i ε_j].
    fn product(&self, other: &Self) -> f64 {
        self.values.iter().zip(&other.values).map(|(one, other)| one * other).sum::<f64>() / self.images as f64
    }
}

impl fmt::Display for EnsembleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading = "correlation with the errors of 1, 2, …";
        writeln!(f, "{:>8} {:>10} {:>10}    {heading}", "member", "accuracy", "sq. error")?;
        for (number, member) in self.members.iter().enumerate() {
            let MemberErrors { accuracy, squared_error } = member;
            let correlations = self.correlations[number].iter().take(number).map(|r| format!("{r:>6.2}"));
            let line = format!(
                "{:>8} {:>8.2} % {squared_error:>10.5}  {}",
                number + 1,
                100.0 * accuracy,
                correlations.collect::<String>()
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        let line = |f: &mut fmt::Formatter<'_>, name: &str, accuracy: f64, squared_error: f64| {
            writeln!(f, "{name:>8} {:>8.2} % {squared_error:>10.5}", 100.0 * accuracy)
        };
        line(f, "mean", self.mean_accuracy, self.mean_squared_error)?;
        line(f, "ensemble", self.accuracy, self.actual)?;
        writeln!(f)?;
        let (k, product, predicted) = (self.members.len(), self.mean_product, self.predicted);
        writeln!(
            f,
            "averaged probabilities: {:.5}/{k} + {}/{k}·{product:.5} = {predicted:.5} predicted",
            self.mean_squared_error,
            k - 1
        )?;
        write!(
            f,
            "combined by {}: {:.5}, and {:+.2} points of accuracy over the mean member",
            self.combination,
            self.actual,
            100.0 * self.gain()
        )
    }
}
