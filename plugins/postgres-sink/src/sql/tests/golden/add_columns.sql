ALTER TABLE "shop"."orders" ADD COLUMN IF NOT EXISTS "amount" numeric(18,4), ADD COLUMN IF NOT EXISTS "photo" bytea;
