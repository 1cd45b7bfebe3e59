//! Delimited text in memory: a header and records of as many fields.

use super::error::{DataError, excerpt, names};
use super::file::read_whole;
use csv::{ReaderBuilder, StringRecord, Trim};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The largest file, so that positions in it are below 2³².
const MAX_FILE: u64 = 256 << 20;
const MAX_COLUMNS: usize = 1 << 20;
const DELIMITERS: [u8; 3] = *b",;\t";

/// Holds records of delimited text in memory, and the names of their columns.
///
/// ```
/// use burn_descent_lab::data::Records;
///
/// let records = Records::parse("color; size\nred; 3\n\"dark; blue\"; 4\n", "example".as_ref())?;
/// assert_eq!((records.header(), records.len()), (&["color".to_owned(), "size".to_owned()][..], 2));
/// assert_eq!((records.field(1, 0), records.field(1, 1)), ("dark; blue", "4"));
/// # Ok::<(), burn_descent_lab::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Records {
    path: PathBuf,
    header: Vec<String>,
    positions: HashMap<String, usize>,
    /// All fields, one after the other.
    text: String,
    /// Where each field ends in `text`.
    ends: Vec<u32>,
    /// The line that each record begins in, from 1.
    lines: Vec<u32>,
}

/// Reads a file of delimited text, such as CSV, whose first line names the columns.
///
/// The delimiter is the comma, the semicolon or the tab, whichever the first line has most of. Fields may be quoted,
/// space around them does not count, and empty lines are skipped.
///
/// # Errors
/// Returns an error that names the file where it cannot be read, is above 256 MiB or no UTF-8, where a record has not as
/// many fields as the header, where there are more than a million columns or two of the same name, and where there
/// is no record.
pub fn read_records(path: impl AsRef<Path>) -> Result<Records, DataError> {
    let path = path.as_ref();
    let text = String::from_utf8(read_whole(path, MAX_FILE)?).map_err(|error| {
        let right = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        DataError::NotUtf8 { path: path.into(), line: 1 + right.iter().filter(|&&byte| byte == b'\n').count() }
    })?;
    Records::parse(&text, path)
}

impl Records {
    /// Reads delimited text; errors name `path` as the file that it is from.
    ///
    /// # Errors
    /// Returns the same errors as [`read_records`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, DataError> {
        let (bytes, limit) = (text.len() as u64, MAX_FILE);
        if bytes > limit {
            return Err(DataError::FileSize { path: path.into(), bytes, limit });
        }
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter(text))
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .from_reader(text.as_bytes());
        let mut record = StringRecord::new();
        let mut next = |record: &mut StringRecord| {
            reader.read_record(record).map_err(|error| DataError::Read { path: path.into(), cause: error.into() })
        };

        next(&mut record)?;
        let mut records = Self::named(&record, path)?;
        let (mut line, mut counted) = (1, 0);
        while next(&mut record)? {
            // The reader's position is before the end of the line before, and before empty lines.
            let before = record.position().map_or(0, |position| position.byte() as usize);
            let empty = text.as_bytes()[before..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
            let start = before + empty;
            line += text.as_bytes()[counted..start].iter().filter(|&&byte| byte == b'\n').count();
            counted = start;
            records.push(&record, line)?;
        }
        if records.is_empty() {
            return Err(DataError::NoRows { path: path.into() });
        }
        Ok(records)
    }

    /// No records yet, with the columns of this header.
    fn named(header: &StringRecord, path: &Path) -> Result<Self, DataError> {
        if header.len() > MAX_COLUMNS {
            return Err(DataError::Columns { path: path.into(), found: header.len(), limit: MAX_COLUMNS });
        }
        let mut positions = HashMap::new();
        for (position, name) in header.iter().enumerate() {
            if positions.insert(name.to_owned(), position).is_some() {
                return Err(DataError::SameColumns { path: path.into(), column: excerpt(name) });
            }
        }
        let header = header.iter().map(str::to_owned).collect();
        Ok(Self { path: path.into(), header, positions, text: String::new(), ends: Vec::new(), lines: Vec::new() })
    }

    fn push(&mut self, record: &StringRecord, line: usize) -> Result<(), DataError> {
        let (found, expected) = (record.len(), self.header.len());
        if found != expected {
            return Err(DataError::Fields { path: self.path.clone(), line, found, expected });
        }
        self.lines.push(line as u32);
        for field in record {
            self.text += field;
            self.ends.push(self.text.len() as u32);
        }
        Ok(())
    }

    /// Returns the names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Returns the number of records.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Tells whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns the text of a field.
    ///
    /// # Panics
    /// Panics as a slice does, where there is no such record or column.
    pub fn field(&self, record: usize, column: usize) -> &str {
        assert!(column < self.header.len(), "column {column} of {}", self.header.len());
        let index = record * self.header.len() + column;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start as usize..self.ends[index] as usize]
    }

    /// The file that the records are from.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The position of a column.
    pub(super) fn column(&self, name: &str) -> Result<usize, DataError> {
        self.positions.get(name).copied().ok_or_else(|| DataError::NoColumn {
            path: self.path.clone(),
            column: excerpt(name),
            known: names(&self.header),
        })
    }

    /// What is wrong with a field.
    pub(super) fn wrong(&self, record: usize, column: usize, expected: &'static str) -> DataError {
        DataError::Field {
            path: self.path.clone(),
            line: self.lines[record] as usize,
            column: excerpt(&self.header[column]),
            found: excerpt(self.field(record, column)),
            expected,
        }
    }
}

/// The delimiter that the first line has most of, outside quotes.
fn delimiter(text: &str) -> u8 {
    let mut counts = [0; DELIMITERS.len()];
    let mut quoted = false;
    for byte in text.trim_start().bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if quoted => {}
            _ => (0..counts.len()).filter(|&i| DELIMITERS[i] == byte).for_each(|i| counts[i] += 1),
        }
    }
    // The first of those that are equally frequent.
    let most = (0..counts.len()).rev().max_by_key(|&i| counts[i]);
    DELIMITERS[most.unwrap_or(0)]
}
