//! The service of one connection: the router, and in front of it a shortcut for the one request that must be fast.
//!
//! `GET /config/{environment}/{agent}` passes the same gate and is answered by the same function as through the router,
//! without its matching, boxing and cloning; BENCHMARKS.md says what that saves.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::future::RouteFuture;
use futures_util::future::Either;
use http::{Method, Request};
use hyper::body::Incoming;
use hyper::service::Service;

use super::App;
use super::config::{self, names_one};
use super::line::{Patience, Written};

/// Answers the requests of one connection.
#[derive(Clone)]
pub(super) struct Front {
    app: Arc<App>,
    router: Router,
    line: Patience,
}

impl Front {
    pub(super) fn new(app: Arc<App>, more: axum::Router) -> Self {
        let router = super::router(Arc::clone(&app), more);
        Front { app, router, line: Patience::default() }
    }

    /// The same for the connection whose writes are counted in `written`.
    pub(super) fn on(self, written: &Written) -> Self {
        Front { line: Patience(written.clone()), ..self }
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, RouteFuture<Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if request.method() != Method::GET || !names_one(request.uri().path()) {
            request.extensions_mut().insert(self.line.clone());
            // The router is always ready.
            return Either::Right(tower::Service::call(&mut self.router.clone(), request));
        }
        let response = match self.app.admit(request.uri(), request.headers()) {
            Ok(()) => config::answer(&self.app, request.uri(), request.headers()),
            Err(problem) => problem.into_response(),
        };
        Either::Left(ready(Ok(response)))
    }
}
