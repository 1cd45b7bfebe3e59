//! How the columns of a table become numbers.

use super::error::{DataError, excerpt};
use super::idx::MAX_BYTES;
use super::records::Records;
use super::table::{TableConfig, TableTask, Targets};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The most different strings of a column, and the most classes.
const MOST_CATEGORIES: usize = 1000;

/// Describes how the columns of a table become features: learned from the training rows alone, and to be kept with
/// what was trained on them.
///
/// It is written and read with serde. [`read_table`](super::read_table) learns it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSchema {
    /// Lists the columns in the order of their features. Those that were constant are not among them.
    pub columns: Vec<ColumnSchema>,
    /// Names the column of the labels.
    pub label: String,
    /// Describes the labels.
    pub labels: LabelSchema,
    /// Lists the texts that mean a missing value, whatever their case.
    pub missing: Vec<String>,
}

/// Describes how one column becomes features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnSchema {
    /// Names the column.
    pub name: String,
    /// Says what its values become.
    pub encoding: Encoding,
}

/// Says what the values of a column become.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Encoding {
    /// Makes a number `x` one feature, `(x - mean) / deviation`.
    Number {
        /// Gives the mean of the training values.
        mean: f64,
        /// Gives the standard deviation of the training values, above 0.
        deviation: f64,
        /// Gives the median of the training values, which stands for a missing one.
        fill: f64,
        /// Says whether a second feature is 1 where the value is missing, and else 0; so it is where some were missing
        /// in training.
        indicator: bool,
    },
    /// Makes a string a feature for each of the known values, 1 for the one that it is and 0 for the others. A missing
    /// value, and one that training never saw, is 0 for all.
    Category {
        /// Lists the values of the training rows in rising order.
        values: Vec<String>,
    },
}

/// Describes the labels of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LabelSchema {
    /// Makes a label the index of its class.
    Classes {
        /// Lists the classes of the training rows in rising order.
        names: Vec<String>,
    },
    /// Makes a label `y` the target `(y - mean) / deviation`.
    Number {
        /// Gives the mean of the training labels.
        mean: f64,
        /// Gives the standard deviation of the training labels, above 0.
        deviation: f64,
    },
}

/// Holds rows as a [`TableSchema`] encodes them, without labels.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedRows {
    /// Holds the features, row after row.
    pub features: Vec<f32>,
    /// Gives the number of rows.
    pub rows: usize,
    /// Gives the number of features of a row.
    pub columns: usize,
    /// Says which values training never saw; a sentence for each column.
    pub notices: Vec<String>,
}

impl TableSchema {
    /// Returns the names of the features: `age`, `age is missing`, `color = red`.
    pub fn feature_names(&self) -> Vec<String> {
        let names = self.columns.iter().flat_map(|ColumnSchema { name, encoding }| match encoding {
            Encoding::Number { indicator: false, .. } => vec![name.clone()],
            Encoding::Number { indicator: true, .. } => vec![name.clone(), format!("{name} is missing")],
            Encoding::Category { values } => values.iter().map(|value| format!("{name} = {value}")).collect(),
        });
        names.collect()
    }

    /// Encodes records, such as new ones to predict from. Their columns may be in any order, those that are not known
    /// are ignored, and there need not be labels.
    ///
    /// ```
    /// use burn_descent_lab::data::{ColumnSchema, Encoding, LabelSchema, Records, TableSchema};
    ///
    /// let size = Encoding::Number { mean: 4.0, deviation: 2.0, fill: 5.0, indicator: true };
    /// let color = Encoding::Category { values: vec!["blue".into(), "red".into()] };
    /// let schema = TableSchema {
    ///     columns: vec![
    ///         ColumnSchema { name: "size".into(), encoding: size },
    ///         ColumnSchema { name: "color".into(), encoding: color },
    ///     ],
    ///     label: "price".into(),
    ///     labels: LabelSchema::Number { mean: 0.0, deviation: 1.0 },
    ///     missing: vec!["NA".into()],
    /// };
    /// assert_eq!(schema.feature_names(), ["size", "size is missing", "color = blue", "color = red"]);
    /// let records = Records::parse("color,size\nred,6\ngreen,NA\n", "new.csv".as_ref())?;
    /// let rows = schema.encode(&records)?;
    /// assert_eq!(rows.features, [1.0, 0.0, 0.0, 1.0, 0.5, 1.0, 0.0, 0.0]);
    /// assert_eq!(rows.notices, ["column `color`: 1 value that training never saw, such as `green`"]);
    /// # Ok::<(), burn_descent_lab::data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the file where a column is missing, where a value of a column of numbers is no finite
    /// number, of which it names the line, and where the features would take more than 2 GiB.
    pub fn encode(&self, records: &Records) -> Result<EncodedRows, DataError> {
        self.encode_rows(records, &Vec::from_iter(0..records.len()))
    }

    pub(super) fn encode_rows(&self, records: &Records, rows: &[usize]) -> Result<EncodedRows, DataError> {
        let widths = self.columns.iter().map(|column| column.encoding.width());
        let width = widths.sum::<usize>();
        let bytes = (rows.len() as u64).checked_mul(width as u64).and_then(|count| count.checked_mul(4));
        if bytes.is_none_or(|bytes| bytes > MAX_BYTES) {
            let declared = format!("{} x {width} x 4", rows.len());
            return Err(DataError::TooLarge { path: records.path().into(), declared, limit: MAX_BYTES });
        }
        let (mut features, mut notices) = (vec![0.0; rows.len() * width], Vec::new());
        let mut start = 0;
        for ColumnSchema { name, encoding } in &self.columns {
            let column = records.column(name)?;
            let mut unseen = Vec::new();
            for (index, &row) in rows.iter().enumerate() {
                let field = records.field(row, column);
                let out = &mut features[index * width + start..][..encoding.width()];
                match encoding {
                    Encoding::Number { mean, deviation, fill, indicator } => {
                        let missing = is_missing(field, &self.missing);
                        let x = if missing { *fill } else { number(records, row, column)? };
                        out[0] = standardized(x, *mean, *deviation);
                        if *indicator {
                            out[1] = f32::from(u8::from(missing));
                        }
                    }
                    Encoding::Category { values } => match values.binary_search_by(|value| value[..].cmp(field)) {
                        Ok(position) => out[position] = 1.0,
                        Err(_) if is_missing(field, &self.missing) => {}
                        Err(_) => unseen.push(field),
                    },
                }
            }
            if let [first, ..] = unseen[..] {
                let (name, first, count) = (excerpt(name), excerpt(first), unseen.len());
                let values = if count == 1 { "value" } else { "values" };
                notices.push(format!("column `{name}`: {count} {values} that training never saw, such as `{first}`"));
            }
            start += encoding.width();
        }
        Ok(EncodedRows { features, rows: rows.len(), columns: width, notices })
    }

    /// Learns from the training rows; what is left out is told in `notices`.
    pub(super) fn learn(
        records: &Records,
        rows: &[usize],
        config: &TableConfig,
        notices: &mut Vec<String>,
    ) -> Result<Self, DataError> {
        let label = records.column(&config.label)?;
        let labels = learn_labels(records, rows, label, config.task)?;
        let mut columns = Vec::new();
        for (column, name) in records.header().iter().enumerate() {
            if column == label || config.ignored.contains(name) {
                continue;
            }
            match learn_column(records, rows, column, config)? {
                Some(encoding) => columns.push(ColumnSchema { name: name.clone(), encoding }),
                None => notices.push(format!("left out column `{}`, which is constant in training", excerpt(name))),
            }
        }
        if columns.is_empty() {
            return Err(DataError::NoFeatures { path: records.path().into(), label: excerpt(&config.label) });
        }
        Ok(Self { columns, label: config.label.clone(), labels, missing: config.missing.clone() })
    }

    /// The labels of rows, of which none may be missing or of an unknown class.
    pub(super) fn targets(&self, records: &Records, rows: &[usize]) -> Result<Targets, DataError> {
        let label = records.column(&self.label)?;
        match &self.labels {
            LabelSchema::Classes { names } => {
                let class = |&row: &usize| match names.binary_search_by(|name| name[..].cmp(records.field(row, label)))
                {
                    Ok(class) => Ok(class as u32),
                    Err(_) => Err(records.wrong(row, label, "a class that is among the training rows")),
                };
                rows.iter().map(class).collect::<Result<_, _>>().map(Targets::Classes)
            }
            LabelSchema::Number { mean, deviation } => {
                let target = |&row: &usize| Ok(standardized(number(records, row, label)?, *mean, *deviation));
                rows.iter().map(target).collect::<Result<_, _>>().map(Targets::Numbers)
            }
        }
    }
}

impl Encoding {
    /// The number of features.
    fn width(&self) -> usize {
        match self {
            Self::Number { indicator, .. } => 1 + usize::from(*indicator),
            Self::Category { values } => values.len(),
        }
    }
}

/// Whether a field has no value.
pub(super) fn is_missing(field: &str, markers: &[String]) -> bool {
    markers.iter().any(|marker| marker.eq_ignore_ascii_case(field))
}

/// A field as a number that `f32` can hold.
fn number(records: &Records, row: usize, column: usize) -> Result<f64, DataError> {
    let number = records.field(row, column).parse::<f64>().ok();
    let fits = |x: &f64| x.abs() <= f64::from(f32::MAX);
    number.filter(fits).ok_or_else(|| records.wrong(row, column, "a finite number, at most 3.4e38"))
}

/// Always finite, even for a number that is far from those of the training rows.
fn standardized(x: f64, mean: f64, deviation: f64) -> f32 {
    ((x - mean) / deviation).clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

/// None where the column is constant.
fn learn_column(
    records: &Records,
    rows: &[usize],
    column: usize,
    config: &TableConfig,
) -> Result<Option<Encoding>, DataError> {
    let field = |row: usize| records.field(row, column);
    let present: Vec<usize> = rows.iter().copied().filter(|&row| !is_missing(field(row), &config.missing)).collect();
    let some_missing = present.len() < rows.len();
    let categorical = config.categorical.contains(&records.header()[column]);
    if present.is_empty() {
        return Ok(None);
    }
    if categorical || present.iter().any(|&row| field(row).parse::<f64>().is_err()) {
        let values = distinct(records, &present, column)?;
        return Ok((values.len() > 1 || some_missing).then_some(Encoding::Category { values }));
    }
    let mut numbers: Vec<f64> = present.iter().map(|&row| number(records, row, column)).collect::<Result<_, _>>()?;
    let (mean, deviation) = moments(&numbers);
    // What is constant where it is not missing still tells by being missing.
    let deviation = if deviation == 0.0 && some_missing { 1.0 } else { deviation };
    let fill = median(&mut numbers);
    Ok((deviation > 0.0).then_some(Encoding::Number { mean, deviation, fill, indicator: some_missing }))
}

fn learn_labels(records: &Records, rows: &[usize], label: usize, task: TableTask) -> Result<LabelSchema, DataError> {
    let constant = || {
        let class = rows.first().map_or(String::new(), |&row| excerpt(records.field(row, label)));
        Err(DataError::OneClass { path: records.path().into(), class })
    };
    match task {
        TableTask::Classes => match distinct(records, rows, label)? {
            names if names.len() < 2 => constant(),
            names => Ok(LabelSchema::Classes { names }),
        },
        TableTask::Number => {
            let numbers: Vec<f64> = rows.iter().map(|&row| number(records, row, label)).collect::<Result<_, _>>()?;
            match moments(&numbers) {
                (mean, deviation) if deviation > 0.0 => Ok(LabelSchema::Number { mean, deviation }),
                _ => constant(),
            }
        }
    }
}

/// The different values of a column in rising order.
pub(super) fn distinct(records: &Records, rows: &[usize], column: usize) -> Result<Vec<String>, DataError> {
    let mut values = BTreeSet::new();
    for &row in rows {
        values.insert(records.field(row, column));
        if values.len() > MOST_CATEGORIES {
            let (path, column) = (records.path().into(), excerpt(&records.header()[column]));
            return Err(DataError::Categories { path, column, limit: MOST_CATEGORIES });
        }
    }
    Ok(values.into_iter().map(str::to_owned).collect())
}

/// The mean and the standard deviation.
fn moments(numbers: &[f64]) -> (f64, f64) {
    let n = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len().is_multiple_of(2) { (numbers[middle - 1] + numbers[middle]) / 2.0 } else { numbers[middle] }
}
