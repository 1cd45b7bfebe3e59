//! Sparse rows with two classes, and the LIBSVM text they come in.
//!
//! A line is a label and the features that are not zero: `+1 3:1 11:0.5`. Features count from 1, in rising order.

use super::error::DataError;
use std::path::Path;

/// Holds rows of sparse features in memory, each with one of two classes.
///
/// ```
/// use burn_descent_lab::data::SparseRows;
///
/// let rows = SparseRows::parse("+1 1:0.5 3:2\n-1 2:1\n", "example".as_ref())?;
/// assert_eq!((rows.len(), rows.features()), (2, 3));
/// assert_eq!(rows.row(0), (&[0, 2][..], &[0.5, 2.0][..]));
/// assert_eq!(rows.labels(), [true, false]);
/// # Ok::<(), burn_descent_lab::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SparseRows {
    /// Where each row begins in `indices` and `values`, and where the last one ends.
    starts: Vec<usize>,
    indices: Vec<usize>,
    values: Vec<f32>,
    labels: Vec<bool>,
    features: usize,
}

/// Reads a file of LIBSVM text with the labels +1 and −1 (or 0).
///
/// # Errors
///
/// Returns an error if the file cannot be read, a line is not as it should be or there is no row.
pub fn read_libsvm(path: impl AsRef<Path>) -> Result<SparseRows, DataError> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).map_err(|cause| DataError::Read { path: path.into(), cause })?;
    SparseRows::parse(&text, path)
}

impl SparseRows {
    /// Reads LIBSVM text; errors name `path` as the file that it is from.
    ///
    /// # Errors
    ///
    /// Returns [`DataError::Line`] for the first line that is not as it should be, and [`DataError::NoRows`] if there
    /// is no row.
    pub fn parse(text: &str, path: &Path) -> Result<Self, DataError> {
        let (starts, indices, values, labels) = (vec![0], Vec::new(), Vec::new(), Vec::new());
        let mut rows = Self { starts, indices, values, labels, features: 0 };
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            if line.trim().is_empty() {
                continue;
            }
            rows.push(line).map_err(|(found, expected)| {
                let (path, found) = (path.to_owned(), found.to_owned());
                DataError::Line { path, number: number + 1, found, expected }
            })?;
        }
        match rows.is_empty() {
            true => Err(DataError::NoRows { path: path.into() }),
            false => Ok(rows),
        }
    }

    /// Takes a row from its line; else what is wrong in it, and what was expected.
    fn push<'a>(&mut self, line: &'a str) -> Result<(), (&'a str, &'static str)> {
        let mut words = line.split_whitespace();
        let label = words.next().unwrap_or_default();
        self.labels.push(match label.parse::<f32>() {
            Ok(1.0) => true,
            Ok(-1.0 | 0.0) => false,
            _ => return Err((label, "a label of +1, -1 or 0")),
        });
        let mut next = 0;
        for word in words {
            let parts =
                word.split_once(':').and_then(|(index, value)| Some((index.parse().ok()?, value.parse().ok()?)));
            let (index, value): (usize, f32) = parts.ok_or((word, "FEATURE:VALUE"))?;
            if !value.is_finite() {
                return Err((word, "a finite value"));
            }
            // The limit keeps a slip of the pen from asking for terabytes.
            if index <= next || index > MOST_FEATURES {
                return Err((word, "features from 1 to 16777216 in rising order"));
            }
            next = index;
            self.indices.push(index - 1);
            self.values.push(value);
        }
        self.features = self.features.max(next);
        self.starts.push(self.indices.len());
        Ok(())
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Tells whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Returns the number of features: the highest that occurs, counted from 1.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Returns the class of each row: whether its label is +1.
    pub fn labels(&self) -> &[bool] {
        &self.labels
    }

    /// Returns the features of row `index` that are not zero (from 0, in rising order), and their values.
    ///
    /// # Panics
    /// Panics as a slice does, where `index` is not below [`len`](Self::len).
    pub fn row(&self, index: usize) -> (&[usize], &[f32]) {
        let range = self.starts[index]..self.starts[index + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// Returns the rows at `indices` with all their zeros, row after row, `features` values each; features beyond are
    /// left out.
    ///
    /// # Panics
    /// Panics as a slice does, where an index is not below [`len`](Self::len).
    pub fn dense(&self, indices: &[usize], features: usize) -> Vec<f32> {
        let mut dense = vec![0.0; indices.len() * features];
        for (out, &index) in dense.chunks_exact_mut(features.max(1)).zip(indices) {
            let (columns, values) = self.row(index);
            for (&column, &value) in columns.iter().zip(values).filter(|(column, _)| **column < features) {
                out[column] = value;
            }
        }
        dense
    }
}

const MOST_FEATURES: usize = 1 << 24;
