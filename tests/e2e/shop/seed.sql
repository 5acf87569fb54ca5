INSERT INTO users (id, email) VALUES (1, 'ada@example.org');
INSERT INTO orders (id, user_id, status) VALUES (1, 1, 'NEW');
INSERT INTO "items" (id, order_id, name) VALUES (1, 1, 'tea');
