"""What tests of crmd and of its plugins are made with: the sandbox provider and the demo mailbox."""
