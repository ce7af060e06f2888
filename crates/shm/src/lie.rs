//! What a lying peer does: for tests and for the trial that shows that each lie is found. No honest session has one.

/// One kind of lie of the answering side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Acknowledges a frame, and works on it afterwards.
    AcknowledgeFirst,
    /// Flips one bit of its copy of a frame.
    FlipBit,
    /// Acknowledges every third frame without any work.
    SkipFrames,
    /// Answers with a number that it has given before.
    Backwards,
    /// Answers questions that were not asked yet.
    Ahead,
    /// Answers without reading the question.
    Guess,
    /// Stops in the middle.
    Stop,
}

impl Lie {
    /// All of them, with their names.
    pub const ALL: [(&str, Self); 7] = [
        ("acknowledge-first", Self::AcknowledgeFirst),
        ("flip-bit", Self::FlipBit),
        ("skip-frames", Self::SkipFrames),
        ("backwards", Self::Backwards),
        ("ahead", Self::Ahead),
        ("guess", Self::Guess),
        ("stop", Self::Stop),
    ];

    /// The lie of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, lie)| *lie)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, lie)| *lie == self).map_or("", |(name, _)| name)
    }
}
