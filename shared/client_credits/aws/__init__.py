"""AWS beyond the table: clients, configuration, secrets, logs, batches."""
