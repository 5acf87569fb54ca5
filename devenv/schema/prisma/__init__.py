"""Prisma's own files: schema.prisma, its generated client, its migrations; read without node."""
