"""The table: every key, item shape and DynamoDB expression of the system stands in this package."""
