"""The shapes of requests and answers, a module for each kind of resource."""
