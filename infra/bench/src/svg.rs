//! Two kinds of plots, as SVG: bars, and lines on logarithmic axes. Small enough to be read in a diff.

use std::fmt::Write as _;

#[derive(Clone, Debug)]
pub(crate) enum Plot {
    Bars { title: String, unit: &'static str, bars: Vec<(String, f64)> },
    Lines { title: String, x: &'static str, y: &'static str, series: Vec<(String, Vec<(f64, f64)>)> },
}

const WIDTH: f64 = 760.0;
const COLOURS: [&str; 6] = ["#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b7791f", "#97266d"];

impl Plot {
    pub(crate) fn svg(&self) -> String {
        match self {
            Self::Bars { title, unit, bars } => bars_svg(title, unit, bars),
            Self::Lines { title, x, y, series } => lines_svg(title, x, y, series),
        }
    }
}

fn open(height: f64, title: &str) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    text(&mut svg, 12.0, 20.0, "start", title, " font-size=\"14\" font-weight=\"bold\"");
    svg
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str, more: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{words}</text>");
}

fn bars_svg(title: &str, unit: &str, bars: &[(String, f64)]) -> String {
    let (left, row) = (250.0, 22.0);
    let mut svg = open(48.0 + row * bars.len() as f64, title);
    let most = bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    for (place, (name, value)) in bars.iter().enumerate() {
        let y = 36.0 + row * place as f64;
        let width = (WIDTH - left - 130.0) * value / most;
        text(&mut svg, left - 8.0, y + 13.0, "end", name, "");
        let _ = writeln!(
            svg,
            "<rect x=\"{left}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"16\" fill=\"{}\"/>",
            COLOURS[0]
        );
        text(&mut svg, left + width + 6.0, y + 13.0, "start", &format!("{value:.2} {unit}"), "");
    }
    svg + "</svg>\n"
}

fn lines_svg(title: &str, x: &str, y: &str, series: &[(String, Vec<(f64, f64)>)]) -> String {
    let (left, right, top, bottom) = (70.0, WIDTH - 230.0, 40.0, 320.0);
    let mut svg = open(370.0, title);
    let points = || series.iter().flat_map(|(_, points)| points.iter());
    let decade = |value: f64| value.max(1e-9).log10();
    let range = |values: Vec<f64>| {
        let low = values.iter().copied().fold(f64::MAX, f64::min).floor();
        let high = values.iter().copied().fold(f64::MIN, f64::max).ceil();
        if high > low { (low, high) } else { (low, low + 1.0) }
    };
    let (x_low, x_high) = range(points().map(|(x, _)| decade(*x)).collect());
    let (y_low, y_high) = range(points().map(|(_, y)| decade(*y)).collect());
    let at_x = |value: f64| left + (right - left) * (decade(value) - x_low) / (x_high - x_low);
    let at_y = |value: f64| bottom - (bottom - top) * (decade(value) - y_low) / (y_high - y_low);
    for power in x_low as i32..=x_high as i32 {
        let place = at_x(10_f64.powi(power));
        let _ = writeln!(
            svg,
            "<line x1=\"{place:.1}\" y1=\"{top}\" x2=\"{place:.1}\" y2=\"{bottom}\" stroke=\"#e2e8f0\"/>"
        );
        text(&mut svg, place, bottom + 16.0, "middle", &format!("{}", 10_f64.powi(power)), "");
    }
    for power in y_low as i32..=y_high as i32 {
        let place = at_y(10_f64.powi(power));
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" y1=\"{place:.1}\" x2=\"{right}\" y2=\"{place:.1}\" stroke=\"#e2e8f0\"/>"
        );
        text(&mut svg, left - 6.0, place + 4.0, "end", &format!("{}", 10_f64.powi(power)), "");
    }
    text(&mut svg, f64::midpoint(left, right), bottom + 36.0, "middle", x, "");
    text(&mut svg, 12.0, top - 6.0, "start", y, "");
    for (number, (name, points)) in series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{:.1},{:.1}", at_x(*x), at_y(*y))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (x, y) in points {
            let _ = writeln!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>", at_x(*x), at_y(*y));
        }
        let place = top + 12.0 + 18.0 * number as f64;
        text(&mut svg, right + 14.0, place, "start", name, &format!(" fill=\"{colour}\""));
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plots_are_whole_whatever_the_figures() {
        for plot in [
            Plot::Bars { title: "a < b".into(), unit: "ms", bars: vec![("x".into(), 0.0), ("y".into(), 3.0)] },
            Plot::Lines {
                title: "t".into(),
                x: "x",
                y: "y",
                series: vec![("s".into(), vec![(10.0, 2.0), (1e6, 2.0)])],
            },
            Plot::Lines { title: "t".into(), x: "x", y: "y", series: vec![] },
        ] {
            let svg = plot.svg();
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{svg}");
        }
    }
}
