//! What a route takes and answers, in a form from which routers, checks and the description at `/openapi.json` are made
//! alike, so that none of them can say something else.

use schemars::{JsonSchema, Schema, SchemaGenerator};

pub mod shapes;

/// Makes the JSON schema of a type; what several routes share goes into the generator's definitions.
pub type Shape = fn(&mut SchemaGenerator) -> Schema;

/// The shape of `T`.
pub fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the query.
    Query,
    /// Among the headers.
    Header,
}

/// A parameter that a call may give. Those of the path need none: their names are known.
#[derive(Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    /// What it does.
    pub about: &'static str,
    /// What fits.
    pub shape: Shape,
    /// Whether it must be given.
    pub required: bool,
}

impl Parameter {
    /// The same, which must be given.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// A parameter of the query.
pub const fn query(name: &'static str, about: &'static str, shape: Shape) -> Parameter {
    Parameter { name, place: Place::Query, about, shape, required: false }
}

/// A header.
pub const fn header(name: &'static str, about: &'static str, shape: Shape) -> Parameter {
    Parameter { name, place: Place::Header, about, shape, required: false }
}

/// What an answer holds.
#[derive(Clone, Copy)]
pub enum Content {
    /// JSON in the envelope of the surface.
    Data(Shape),
    /// JSON as it is.
    Plain(Shape),
    /// Server-sent events, each with data of one of these shapes.
    Events(&'static [Shape]),
    /// Text of another media type.
    Text(&'static str),
    /// Nothing.
    Nothing,
}

/// One answer that a route gives when it does what it was asked.
#[derive(Clone, Copy)]
pub struct Told {
    /// Its status.
    pub status: u16,
    /// When it is given, or what it says.
    pub about: &'static str,
    /// What it holds.
    pub content: Content,
    /// Headers that it has, and what they say.
    pub headers: &'static [(&'static str, &'static str)],
}

impl Told {
    /// The same with headers.
    pub const fn headers(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        self.headers = headers;
        self
    }
}

/// An answer that holds `content`.
pub const fn told(status: u16, about: &'static str, content: Content) -> Told {
    Told { status, about, content, headers: &[] }
}

/// An answer with data of type `T`, in the envelope.
pub const fn data<T: JsonSchema>(status: u16, about: &'static str) -> Told {
    told(status, about, Content::Data(shape::<T>))
}
