use super::{DatasetKind, Run, TrainError};
use crate::data::{DataError, LabelledImages, Rows, Targets, read_digit, read_picture, read_records};
use burn_descent::ensemble::argmax;
use std::fmt;
use std::path::{Path, PathBuf};

/// Holds what a run predicts for some pictures, or for the rows of a table. Its `Display` is for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Names the classes; it is empty where numbers are predicted.
    pub class_names: Vec<String>,
    /// Lists the predictions, in the order of what they are for.
    pub rows: Vec<Prediction>,
    /// Lists what is worth knowing, a sentence each.
    pub notices: Vec<String>,
}

/// Holds what is predicted for one example.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Names the picture, or the row of the table, from 1.
    pub example: String,
    /// Lists the probability of each class, or the number alone.
    pub values: Vec<f32>,
}

impl Predictions {
    /// Predicts what the pictures at `paths` show, of which some may be folders of pictures, or the labels of the rows of
    /// a table, where the run was trained on one. Pictures of single digits are brought to the form of MNIST's.
    ///
    /// # Errors
    ///
    /// Returns an error if a path cannot be read, is of the wrong kind or names nothing, or the run has no kept weights.
    pub fn of(run: &Run, paths: &[PathBuf]) -> Result<Self, TrainError> {
        let data = run.data()?;
        let (examples, values, notices) = match &data.schema {
            Some(schema) => {
                let [path] = paths else {
                    let value = paths.len().to_string();
                    return Err(TrainError::Value {
                        field: "paths",
                        value,
                        expected: "one file with the rows of a table",
                    });
                };
                let rows = schema.encode(&read_records(path)?)?;
                let examples = (1..=rows.rows).map(|row| row.to_string()).collect();
                let targets = Targets::Classes(vec![0; rows.rows]);
                let rows_of = Rows { features: rows.features, rows: rows.rows, columns: rows.columns, targets };
                (examples, run.classify(rows_of)?, rows.notices)
            }
            None => {
                let pictures = pictures(paths)?;
                let digits =
                    matches!(run.config().dataset, DatasetKind::Mnist | DatasetKind::Fashion | DatasetKind::Synthetic);
                let read = |path: &PathBuf| match digits {
                    true => read_digit(path),
                    false => read_picture(path, data.shape),
                };
                let pixels = pictures.iter().map(read).collect::<Result<Vec<_>, DataError>>()?.concat();
                let (labels, names) = (vec![0; pictures.len()], data.class_names.clone().into());
                let images = LabelledImages::with_classes(data.shape, pixels, labels, names)?;
                let examples: Vec<String> = pictures.iter().map(|path| path.display().to_string()).collect();
                (examples, run.classify(images)?, Vec::new())
            }
        };
        let row = |(example, values)| Prediction { example, values };
        Ok(Self { class_names: data.class_names, rows: examples.into_iter().zip(values).map(row).collect(), notices })
    }

    /// Writes the predictions as CSV, whole or not at all: `example`, `prediction` and, of classes, the probability of
    /// each.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub fn write_csv(&self, path: &Path) -> Result<(), TrainError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let io = |error: csv::Error| TrainError::io("write", path)(error.into());
        let head = ["example", "prediction"].into_iter().chain(self.class_names.iter().map(String::as_str));
        writer.write_record(head).map_err(io)?;
        for row in &self.rows {
            let mut record = vec![row.example.clone(), self.answer(row)];
            if !self.class_names.is_empty() {
                record.extend(row.values.iter().map(f32::to_string));
            }
            writer.write_record(record).map_err(io)?;
        }
        let bytes = writer.into_inner().map_err(|error| TrainError::io("write", path)(error.into_error()))?;
        Ok(super::files::write_atomic(path, &bytes)?)
    }

    /// The likeliest class, or the number.
    fn answer(&self, row: &Prediction) -> String {
        match self.class_names.get(argmax(&row.values)) {
            Some(name) => name.clone(),
            None => row.values.first().map_or_else(String::new, f32::to_string),
        }
    }
}

/// With more classes, only the likeliest are printed.
const MOST_CLASSES: usize = 10;

impl fmt::Display for Predictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ([row], false) = (&self.rows[..], self.class_names.is_empty()) {
            let mut classes: Vec<usize> = (0..self.class_names.len()).collect();
            if classes.len() > MOST_CLASSES {
                classes.sort_by(|one, other| row.values[*other].total_cmp(&row.values[*one]));
                classes.truncate(MOST_CLASSES);
            }
            let width = classes.iter().map(|&class| self.class_names[class].chars().count()).max().unwrap_or(0);
            for class in classes {
                let (name, probability) = (&self.class_names[class], row.values[class]);
                let bar = "#".repeat((probability * 40.0).round() as usize);
                writeln!(f, "{name:<width$}  {:6.2} %  {bar}", 100.0 * probability)?;
            }
            return write!(f, "it reads {}", self.answer(row));
        }
        let width = self.rows.iter().map(|row| row.example.chars().count()).max().unwrap_or(0);
        for (index, row) in self.rows.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{:<width$}  {}", row.example, self.answer(row))?;
            if !self.class_names.is_empty() {
                write!(f, "  {:.2} %", 100.0 * row.values[argmax(&row.values)])?;
            }
        }
        Ok(())
    }
}

/// The pictures at these paths, and those in them, in their order.
fn pictures(paths: &[PathBuf]) -> Result<Vec<PathBuf>, TrainError> {
    let is_picture = |path: &PathBuf| {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        extension.is_some_and(|extension| ["png", "jpg", "jpeg"].contains(&extension.as_str()))
    };
    let mut all = Vec::new();
    for path in paths {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(TrainError::io("read", path))?.flatten();
        let mut inside: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_picture).collect();
        if inside.is_empty() {
            return Err(TrainError::NoPictures(path.clone()));
        }
        inside.sort();
        all.extend(inside);
    }
    Ok(all)
}
