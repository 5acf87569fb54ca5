-- What Prisma's migrations make of small_mysql.prisma, written by hand from its documented type maps: the engine for
-- MySQL comes as a download only.

-- CreateTable
CREATE TABLE `accounts` (
    `id` INTEGER NOT NULL AUTO_INCREMENT,
    `email` VARCHAR(191) NOT NULL,
    `name` VARCHAR(80) NULL,
    `bio` TEXT NULL,
    `country` CHAR(2) NOT NULL,
    `is_admin` BOOLEAN NOT NULL DEFAULT false,
    `state` ENUM('ACTIVE', 'CLOSED', 'locked-by-admin') NOT NULL DEFAULT 'ACTIVE',
    `balance` DECIMAL(65, 30) NOT NULL DEFAULT 0,
    `limit` DECIMAL(10, 2) NULL,
    `score` DOUBLE NOT NULL DEFAULT 0,
    `ratio` FLOAT NULL,
    `visits` BIGINT NOT NULL DEFAULT 0,
    `logins` INTEGER UNSIGNED NOT NULL DEFAULT 0,
    `serial` BIGINT UNSIGNED NULL,
    `level` TINYINT NOT NULL DEFAULT 1,
    `rank` SMALLINT NULL,
    `points` MEDIUMINT NULL,
    `age` TINYINT UNSIGNED NULL,
    `born` YEAR NULL,
    `settings` JSON NOT NULL,
    `avatar` LONGBLOB NULL,
    `token` BINARY(16) NOT NULL,
    `salt` VARBINARY(32) NULL,
    `thumb` BLOB NULL,
    `flag` BIT(1) NULL,
    `day` DATE NULL,
    `at` TIME(0) NULL,
    `seen_at` TIMESTAMP(0) NULL,
    `created_at` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    `updated_at` DATETIME(3) NOT NULL,

    UNIQUE INDEX `accounts_email_key`(`email`),
    INDEX `accounts_country_state_idx`(`country`, `state`),
    INDEX `accounts_name_start`(`name`(20)),
    PRIMARY KEY (`id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- CreateTable
CREATE TABLE `teams` (
    `id` VARCHAR(191) NOT NULL,
    `title` VARCHAR(191) NOT NULL,
    `kind` ENUM('small', 'large') NOT NULL DEFAULT 'small',

    UNIQUE INDEX `teams_title_key`(`title`(50)),
    PRIMARY KEY (`id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- CreateTable
CREATE TABLE `notes` (
    `account_id` INTEGER NOT NULL,
    `number` INTEGER NOT NULL,
    `text` LONGTEXT NOT NULL,
    `tiny` TINYTEXT NULL,
    `medium` MEDIUMTEXT NULL,
    `place` geometry NULL,

    FULLTEXT INDEX `notes_text_idx`(`text`),
    PRIMARY KEY (`account_id`, `number`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- CreateTable
CREATE TABLE `_AccountToTeam` (
    `A` INTEGER NOT NULL,
    `B` VARCHAR(191) NOT NULL,

    UNIQUE INDEX `_AccountToTeam_AB_unique`(`A`, `B`),
    INDEX `_AccountToTeam_B_index`(`B`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- AddForeignKey
ALTER TABLE `notes` ADD CONSTRAINT `notes_account_id_fkey` FOREIGN KEY (`account_id`) REFERENCES `accounts`(`id`) ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE `_AccountToTeam` ADD CONSTRAINT `_AccountToTeam_A_fkey` FOREIGN KEY (`A`) REFERENCES `accounts`(`id`) ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE `_AccountToTeam` ADD CONSTRAINT `_AccountToTeam_B_fkey` FOREIGN KEY (`B`) REFERENCES `teams`(`id`) ON DELETE CASCADE ON UPDATE CASCADE;
