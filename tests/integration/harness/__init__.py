"""What the integration tests are made of: processes, fake brokers, proxies and an oracle."""
