//! What the controller answers over HTTP: the data plane of calls and chats, forges' webhooks, health and metrics.
