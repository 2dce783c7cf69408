//! What a call is: one description, from which both its route and its part of the OpenAPI document are made, so that they
//! cannot differ.
use crate::{
    api::{
        access::{Caller, Needs, admit},
        input::Parameters,
        refusal::{refused, refused_for},
        state::Api,
    },
    cut::Cut,
    problem::Problem,
};
use axum::{
    body::Body,
    extract::{ConnectInfo, FromRequestParts, Path, Request},
    response::{IntoResponse, Response},
};
use herenow_wire::code::Code;
use http::{HeaderMap, Method};
use serde_json::Value;
use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
};

/// A call of the API.
pub struct Call {
    /// With which method.
    pub method: Method,
    /// Where; a part in braces is any text.
    pub path: &'static str,
    /// What programs call it.
    pub id: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What else is to be known.
    pub doc: &'static str,
    /// Under which heading it is shown.
    pub tag: &'static str,
    /// Who may use it.
    pub needs: Needs,
    /// What its query may say.
    pub query: Vec<Parameter>,
    /// What its body has to be; a reference to a schema by name.
    pub body: Option<BodyKind>,
    /// What it answers where all is well.
    pub answers: Vec<Answer>,
    /// Why it may be refused, besides what any call may be refused for.
    pub codes: Vec<Code>,
    /// What does it.
    pub handle: fn(Asked) -> Answering,
}

/// What is answered, later.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response, Problem>> + Send>>;

/// A parameter of a query.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// What it may be.
    pub schema: Value,
    /// Whether it may be repeated; then it has to be there.
    pub is_list: bool,
}

/// What a body has to be.
#[derive(Clone, Copy, Debug)]
pub struct BodyKind {
    /// The name of its schema.
    pub schema: &'static str,
    /// Bytes that it may have.
    pub bytes_max: usize,
}

/// An answer where all is well.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its media type, and the name of the schema where it is JSON; `None` without a body.
    pub content: Option<(&'static str, Option<&'static str>)>,
    /// When it is given.
    pub doc: &'static str,
}

/// One request to a call.
pub struct Asked {
    /// The API.
    pub api: Api,
    /// Who calls.
    pub caller: Caller,
    /// The parts of the path that are any text, in order, decoded.
    pub path: Vec<String>,
    /// What the query says.
    pub query: Parameters,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, unread.
    pub body: Body,
    /// Bytes that the body may have.
    pub body_bytes_max: usize,
    /// Where the request came from.
    pub address: IpAddr,
    /// Ends the connection that the answer goes out over, where that is this server's.
    pub cut: Option<Cut>,
}

impl Call {
    /// Whether clients may use it with their tokens.
    pub fn takes_tokens(&self) -> bool {
        matches!(self.needs, Needs::KeyOrToken(_))
    }

    /// The names of its parameters, and whether they may be repeated. Who reads may say in the address who they are, since
    /// browsers let no page set a header for a stream of events.
    fn parameters(&self) -> Vec<(&'static str, bool)> {
        let token = (self.takes_tokens() && self.method == Method::GET).then_some(("token", false));
        self.query.iter().map(|parameter| (parameter.name, parameter.is_list)).chain(token).collect()
    }

    /// Does it: looks at who calls, then at what they say.
    pub async fn serve(&self, api: Api, request: Request) -> Response {
        let answered = self.answer(&api, request).await;
        let response = answered.unwrap_or_else(IntoResponse::into_response);
        api.meters().note_call(self.id, response.status());
        response
    }

    async fn answer(&self, api: &Api, request: Request) -> Result<Response, Problem> {
        let (mut parts, body) = request.into_parts();
        let caller = admit(api, self.needs, &parts).await?;
        let path = if self.path.contains('{') { path_of(&mut parts).await? } else { Vec::new() };
        let query = Parameters::read(&parts.uri, &self.parameters())?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let address = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(peer)| peer.ip());
        let body_bytes_max = self.body.map_or(0, |body| body.bytes_max);
        let headers = std::mem::take(&mut parts.headers);
        let (api, cut) = (api.clone(), parts.extensions.get::<Cut>().cloned());
        (self.handle)(Asked { api, caller, path, query, headers, body, body_bytes_max, address, cut }).await
    }
}

/// The parts of the path that stand in braces.
async fn path_of(parts: &mut http::request::Parts) -> Result<Vec<String>, Problem> {
    let path = Path::<Vec<(String, String)>>::from_request_parts(parts, &()).await;
    match path {
        Ok(Path(pairs)) => Ok(pairs.into_iter().map(|(_, value)| value).collect()),
        Err(rejection) => Err(refused_for(Code::HttpBadPath, rejection.body_text())),
    }
}

impl Asked {
    /// A part of the path.
    ///
    /// # Errors
    /// [`Code::HttpBadPath`] where it is not there, which a route does not let happen.
    pub fn part(&self, at: usize) -> Result<&str, Problem> {
        self.path.get(at).map(String::as_str).ok_or_else(|| refused(Code::HttpBadPath))
    }
}
