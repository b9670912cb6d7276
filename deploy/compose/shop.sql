-- The table that docker-compose.yml captures.
CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, credit numeric(10, 2) NOT NULL);
-- So that change events have the row before the change.
ALTER TABLE customers REPLICA IDENTITY FULL;
INSERT INTO customers VALUES (1, 'Ada', 100.00), (2, 'Grace', 250.50);
