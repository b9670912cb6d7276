ALTER TABLE main."orders" ADD COLUMN "amount" REAL;
ALTER TABLE main."orders" ADD COLUMN "photo" BLOB;
