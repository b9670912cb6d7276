ALTER TABLE `shop`.`orders` ADD COLUMN `amount` decimal(18,4), ADD COLUMN `photo` longblob;
