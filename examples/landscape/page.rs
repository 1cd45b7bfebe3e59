//! A page: what a picture is called, the one thing that it shows, the plot, the legend and a note.

use crate::style::{Style, sheet};
use std::fmt::Write;

/// The width of every picture.
pub const WIDTH: f64 = 800.0;
/// Where the legend begins.
pub const LEGEND: f64 = 606.0;
const MARGIN: f64 = 18.0;

/// What is written on a page.
pub struct Page {
    pub title: String,
    /// The one thing to learn from it.
    pub lesson: String,
    /// How it was made, such as how the rates were chosen.
    pub note: String,
    pub legend: Vec<Entry>,
}

/// What the legend says of a line.
pub struct Entry {
    pub style: Style,
    pub name: String,
    /// A second line, in small letters.
    pub detail: String,
}

impl Page {
    /// Lays a plot of this height out on the page.
    pub fn around(&self, plot: &str, height: f64) -> String {
        let lesson = wrapped(&self.lesson, 106);
        let note = wrapped(&self.note, 122);
        let top = 44.0 + 19.0 * lesson.len() as f64;
        let (legend, length) = self.legend();
        let height = height.max(length);
        let bottom = top + height + 14.0;
        let whole = bottom + 17.0 * note.len() as f64 + 8.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{whole}\" viewBox=\"0 0 {WIDTH} {whole}\" \
             font-family=\"DejaVu Sans,Verdana,Arial,sans-serif\" font-size=\"13\" role=\"img\">\
             <title>{}</title><desc>{}</desc>{}<rect class=\"b\" width=\"{WIDTH}\" height=\"{whole}\"/>",
            escaped(&self.title),
            escaped(&self.lesson),
            sheet()
        );
        svg += &text([MARGIN, 29.0], "font-size=\"18\" font-weight=\"bold\"", &self.title);
        for (line, words) in lesson.iter().enumerate() {
            svg += &text([MARGIN, 52.0 + 19.0 * line as f64], "", words);
        }
        let _ = write!(svg, "<g transform=\"translate(0 {top})\">{plot}{legend}</g>");
        for (line, words) in note.iter().enumerate() {
            svg += &text([MARGIN, bottom + 13.0 + 17.0 * line as f64], "class=\"m\" font-size=\"12\"", words);
        }
        svg + "</svg>\n"
    }

    /// The legend, and how far down it goes.
    fn legend(&self) -> (String, f64) {
        let mut svg = String::new();
        let mut y = 20.0;
        for Entry { style, name, detail } in &self.legend {
            let color = style.color;
            let middle = y - 4.0;
            let _ = write!(svg, "<path {} d=\"M{LEGEND} {middle}h28\"/>", style.line());
            if !style.head.is_empty() {
                let place = format!("translate({} {middle})", LEGEND + 14.0);
                let _ = write!(svg, "<path class=\"h k{color}\" transform=\"{place}\" d=\"{}\"/>", style.head);
            }
            svg += &text([LEGEND + 36.0, y], "", name);
            for line in detail.lines() {
                y += 16.0;
                svg += &text([LEGEND + 36.0, y], "class=\"m\" font-size=\"12\"", line);
            }
            y += 25.0;
        }
        (svg, y - 25.0)
    }
}

/// Returns a text at a place.
pub fn text([x, y]: [f64; 2], attributes: &str, words: &str) -> String {
    format!("<text x=\"{}\" y=\"{}\" {attributes}>{}</text>", number(x), number(y), escaped(words))
}

/// Returns a number with a digit after the point, where it is not 0.
pub fn number(x: f64) -> String {
    let text = format!("{x:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The words in lines of up to so many characters.
fn wrapped(words: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
