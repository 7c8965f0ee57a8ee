//! `Chart`: one drawing as inline SVG. Colors are classes, so that the page decides them.

use std::fmt::Write;

use super::axis::Axis;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 290.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 42.0;

/// Wider than this a bar looks like a wall.
const BAR_WIDTH_MAX: f64 = 56.0;

/// A drawing in the making; what is added later lies on top.
pub(super) struct Chart {
    x: Axis,
    y: Axis,
    body: String,
}

impl Chart {
    /// Empty axes with a grid.
    pub(super) fn new(x: Axis, y: Axis) -> Self {
        let mut chart = Self { x, y, body: String::new() };
        for (value, text) in chart.y.ticks.clone() {
            let at = chart.y_at(value);
            chart.draw(format_args!(
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{}\"/>",
                WIDTH - RIGHT
            ));
            chart.text(LEFT - 7.0, at + 4.0, "end", &text);
        }
        // Texts that would touch are left out.
        let room = (WIDTH - LEFT - RIGHT) / chart.x.ticks.len().max(1) as f64;
        let widest = chart.x.ticks.iter().map(|(_, text)| text.len()).max().unwrap_or(0) as f64;
        let every = ((widest * 7.5 + 6.0) / room).ceil().max(1.0);
        for (index, (value, text)) in chart.x.ticks.clone().into_iter().enumerate() {
            if index as f64 % every == 0.0 {
                chart.text(chart.x_at(value), HEIGHT - BOTTOM + 18.0, "middle", &text);
            }
        }
        let base = HEIGHT - BOTTOM;
        chart.draw(format_args!("<path class=\"axis\" d=\"M{LEFT} {base}H{}\"/>", WIDTH - RIGHT));
        chart.text(6.0, 13.0, "start", chart.y.label);
        chart.text(f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 6.0, "middle", chart.x.label);
        chart
    }

    /// A line through points.
    pub(super) fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let pen = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{pen}{:.1} {:.1}", self.x_at(*x), self.y_at(*y));
        }
        self.draw(format_args!("<path class=\"line {class}\" d=\"{path}\"/>"));
    }

    /// A line from one side to the other.
    pub(super) fn level(&mut self, class: &str, y: f64) {
        let at = self.y_at(y);
        self.draw(format_args!(
            "<path class=\"line {class}\" d=\"M{LEFT} {at:.1}H{}\"/>",
            WIDTH - RIGHT
        ));
    }

    /// A shaded range between a lower and an upper line: `(x, low, high)`.
    pub(super) fn band(&mut self, class: &str, points: &[(f64, f64, f64)]) {
        let mut path = String::new();
        let there = points.iter().map(|(x, _, high)| (x, high));
        let back = points.iter().rev().map(|(x, low, _)| (x, low));
        for (index, (x, y)) in there.chain(back).enumerate() {
            let pen = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{pen}{:.1} {:.1}", self.x_at(*x), self.y_at(*y));
        }
        self.draw(format_args!("<path class=\"band {class}\" d=\"{path}Z\"/>"));
    }

    /// A dot; `hint` appears when the pointer rests on it.
    pub(super) fn dot(&mut self, class: &str, x: f64, y: f64, hint: &str) {
        let (x, y, hint) = (self.x_at(x), self.y_at(y), escaped(hint));
        self.draw(format_args!(
            "<circle class=\"dot {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\">\
             <title>{hint}</title></circle>"
        ));
    }

    /// The range of an uncertain value.
    pub(super) fn whisker(&mut self, class: &str, x: f64, low: f64, high: f64) {
        let (x, low, high) = (self.x_at(x), self.y_at(low), self.y_at(high));
        self.draw(format_args!(
            "<path class=\"whisker {class}\" d=\"M{x:.1} {low:.1}V{high:.1}\"/>"
        ));
    }

    /// A bar from the ground up around `x`, as wide as a share of the step between two of them.
    pub(super) fn bar(&mut self, class: &str, (x, step): (f64, f64), y: f64, hint: &str) {
        let width = self.x.length(step) * (WIDTH - LEFT - RIGHT) * 0.78;
        let width = width.clamp(1.0, BAR_WIDTH_MAX);
        let (left, top, hint) = (self.x_at(x) - width / 2.0, self.y_at(y), escaped(hint));
        let height = (HEIGHT - BOTTOM - top).max(0.0);
        self.draw(format_args!(
            "<rect class=\"bar {class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\" rx=\"1.5\"><title>{hint}</title></rect>"
        ));
    }

    /// A number above a point.
    pub(super) fn mark(&mut self, x: f64, y: f64, text: &str) {
        let (x, y) = (self.x_at(x), self.y_at(y) - 7.0);
        let text = escaped(text);
        self.draw(format_args!(
            "<text class=\"mark\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{text}</text>"
        ));
    }

    /// The drawing; `description` is what it says to those who cannot see it.
    pub(super) fn svg(self, description: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">{}</svg>",
            escaped(description),
            self.body
        )
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let text = escaped(text);
        self.draw(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    fn draw(&mut self, element: std::fmt::Arguments<'_>) {
        let _ = self.body.write_fmt(element);
    }

    fn x_at(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y_at(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - BOTTOM - TOP)
    }
}

/// Text that is safe inside elements and attributes.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
