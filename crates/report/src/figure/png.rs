//! Figures as pixels, with a font of our own: no font of the host is looked for.

use super::finished::Figure;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

const REGULAR: &[u8] = include_bytes!("../../fonts/DejaVuSans-subset.ttf");
const BOLD: &[u8] = include_bytes!("../../fonts/DejaVuSans-Bold-subset.ttf");
/// Pixels per user unit: sharp on dense screens and on paper.
const SCALE: f32 = 2.0;
/// The tallest image, in pixels.
const TALLEST: f32 = 16_000.0;

/// Why a figure has no pixels.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// The drawing could not be read back.
    #[error("figure `{name}` is no readable drawing")]
    Drawing {
        /// The figure.
        name: String,
        /// Why.
        source: Box<resvg::usvg::Error>,
    },
    /// The image is too large for memory.
    #[error("figure `{name}` is too large for an image; its SVG is complete")]
    Size {
        /// The figure.
        name: String,
    },
    /// The pixels could not be encoded.
    #[error("figure `{name}` could not be encoded: {reason}")]
    Encode {
        /// The figure.
        name: String,
        /// Why.
        reason: String,
    },
}

/// The figure as a PNG, in light colours.
pub(super) fn png(figure: &Figure) -> Result<Vec<u8>, PngError> {
    let name = || figure.name.clone();
    let mut options = Options { font_family: "DejaVu Sans".to_owned(), ..Options::default() };
    let fonts = options.fontdb_mut();
    fonts.load_font_data(REGULAR.to_vec());
    fonts.load_font_data(BOLD.to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    let tree = Tree::from_str(&figure.standalone(), &options)
        .map_err(|source| PngError::Drawing { name: name(), source: Box::new(source) })?;
    let size = tree.size();
    // A run of very many cells makes a tall figure; it gets fewer pixels rather than none.
    let scale = SCALE.min(TALLEST / size.height());
    let (width, height) = ((size.width() * scale).ceil() as u32, (size.height() * scale).ceil() as u32);
    let mut pixels = Pixmap::new(width, height).ok_or(PngError::Size { name: name() })?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| PngError::Encode { name: name(), reason: error.to_string() })
}
