# ruff: noqa: N805, RUF012 - SQLAlchemy declares tables this way
"""The SQLAlchemy models of a web shop: 62 tables in two schemas, with whatever real projects ask of a database.

Written for the tests of the schema gate. `search_*` tables are for PostgreSQL alone; all others can be made on MySQL
and SQLite as well, where `SHOP_CRM_SCHEMA=` (empty) keeps the second schema out. Invariant: a database that
`Base.metadata.create_all` made differs in nothing from these models.
"""

from __future__ import annotations

import enum
import os
import uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    UniqueConstraint,
    Uuid,
    create_engine,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.schema import CreateSchema

CRM = os.environ.get("SHOP_CRM_SCHEMA", "crm") or None
_IN_CRM = f"{CRM}." if CRM else ""

# Numbers that SQLite counts by itself only as INTEGER.
BigId = BigInteger().with_variant(Integer, "sqlite")
Document = JSON().with_variant(postgresql.JSONB(), "postgresql")
Words = postgresql.ARRAY(Text).with_variant(JSON(), "mysql", "mariadb", "sqlite")
Numbers = postgresql.ARRAY(Integer).with_variant(JSON(), "mysql", "mariadb", "sqlite")
IpAddress = postgresql.INET().with_variant(String(45), "mysql", "mariadb", "sqlite")
Anything = String().with_variant(String(191), "mysql", "mariadb")
Precise = DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")

key = Annotated[int, mapped_column(primary_key=True)]
big_key = Annotated[int, mapped_column(BigId, primary_key=True)]
uuid_key = Annotated[uuid.UUID, mapped_column(Uuid, primary_key=True, default=uuid.uuid4)]
code = Annotated[str, mapped_column(String(32))]
title = Annotated[str, mapped_column(String(200))]
money = Annotated[Decimal, mapped_column(Numeric(12, 2))]


class OrderStatus(enum.Enum):
    """Stored by name, as SQLAlchemy does."""

    DRAFT = "draft"
    PLACED = "placed"
    PAID = "paid"
    SENT = "sent"
    RETURNED = "returned"


class Channel(enum.Enum):
    """Where an order came from."""

    WEB = 1
    PHONE = 2
    STORE = 3


class Base(DeclarativeBase):
    """Names every constraint by rule, as projects with Alembic should."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {dict[str, Any]: Document, list[str]: Words}


class Stamped:
    """What most tables carry."""

    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), onupdate=func.now())


class OfTenant:
    """A row that belongs to one shop; the reference is an index of its own."""

    @declared_attr
    def tenant_id(cls) -> Mapped[int]:
        return mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)


# --- shops and people ---


class Tenant(Stamped, Base):
    __tablename__ = "tenants"
    id: Mapped[key]
    slug: Mapped[str] = mapped_column(String(63), unique=True)
    name: Mapped[title]
    plan: Mapped[str] = mapped_column(Enum("free", "team", "business", name="tenant_plan"), server_default="free")
    settings: Mapped[dict[str, Any]] = mapped_column(Document)
    is_active: Mapped[bool] = mapped_column(server_default=true())


class Country(Base):
    __tablename__ = "countries"
    iso: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[title]
    is_in_eu: Mapped[bool] = mapped_column(server_default=false())


class Currency(Base):
    __tablename__ = "currencies"
    iso: Mapped[str] = mapped_column(String(3), primary_key=True)
    digits: Mapped[int] = mapped_column(SmallInteger, server_default="2")
    symbol: Mapped[str | None] = mapped_column(String(4))


class ExchangeRate(Base):
    __tablename__ = "exchange_rates"
    from_iso: Mapped[str] = mapped_column(ForeignKey("currencies.iso"), primary_key=True)
    to_iso: Mapped[str] = mapped_column(ForeignKey("currencies.iso"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    rate: Mapped[Decimal] = mapped_column(Numeric(20, 10))


class User(Stamped, OfTenant, Base):
    __tablename__ = "users"
    id: Mapped[key]
    public_id: Mapped[uuid.UUID] = mapped_column(Uuid, unique=True)
    email: Mapped[str] = mapped_column(String(191))
    password_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    name: Mapped[str | None] = mapped_column(Anything)
    locale: Mapped[str] = mapped_column(String(10), server_default="en")
    last_seen_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    manager_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    is_staff: Mapped[bool] = mapped_column(default=False)
    __table_args__ = (UniqueConstraint("tenant_id", "email"),)


class Role(OfTenant, Base):
    __tablename__ = "roles"
    id: Mapped[key]
    name: Mapped[code]
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)


class Permission(Base):
    __tablename__ = "permissions"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    about: Mapped[str | None] = mapped_column(Text)


user_roles = Table(
    "user_roles",
    Base.metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("role_id", ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True),
)
role_permissions = Table(
    "role_permissions",
    Base.metadata,
    Column("role_id", ForeignKey("roles.id"), primary_key=True),
    Column("permission", ForeignKey("permissions.name"), primary_key=True),
)


class Session(Base):
    __tablename__ = "sessions"
    id: Mapped[uuid_key]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    address: Mapped[str | None] = mapped_column(IpAddress)
    lifetime: Mapped[timedelta] = mapped_column(Interval)
    started_at: Mapped[datetime] = mapped_column(Precise)
    data: Mapped[dict[str, Any] | None]


class ApiKey(OfTenant, Base):
    __tablename__ = "api_keys"
    id: Mapped[uuid_key]
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]]
    revoked_at: Mapped[datetime | None]
    __table_args__ = (
        Index(
            "ix_api_keys_live", "tenant_id", postgresql_where=text("revoked_at IS NULL"),
            sqlite_where=text("revoked_at IS NULL"),
        ),
    )  # fmt: skip


class AuditEvent(Base):
    __tablename__ = "audit_events"
    id: Mapped[big_key]
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    action: Mapped[str] = mapped_column(String(80))
    payload: Mapped[dict[str, Any] | None]
    __table_args__ = (Index("ix_audit_events_newest", text("at DESC"), "action"),)


class Notification(Stamped, Base):
    __tablename__ = "notifications"
    id: Mapped[big_key]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(Enum("email", "push", "sms", name="notification_kind", native_enum=False))
    body: Mapped[str] = mapped_column(Text)
    read_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "user_id", "read_at"),)


# --- goods ---


class Brand(OfTenant, Base):
    __tablename__ = "brands"
    id: Mapped[key]
    name: Mapped[title]
    logo: Mapped[bytes | None]


class Category(OfTenant, Base):
    __tablename__ = "categories"
    id: Mapped[key]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id"), index=True)
    name: Mapped[title]
    position: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    __table_args__ = (UniqueConstraint("tenant_id", "parent_id", "name"),)


class TaxClass(Base):
    __tablename__ = "tax_classes"
    id: Mapped[key]
    name: Mapped[str] = mapped_column(String(50), unique=True)


class TaxRate(Base):
    __tablename__ = "tax_rates"
    tax_class_id: Mapped[int] = mapped_column(ForeignKey("tax_classes.id"), primary_key=True)
    country: Mapped[str] = mapped_column(ForeignKey("countries.iso"), primary_key=True)
    percent: Mapped[Decimal] = mapped_column(Numeric(5, 2))
    __table_args__ = (CheckConstraint("percent >= 0", name="not_negative"),)


class Product(Stamped, OfTenant, Base):
    __tablename__ = "products"
    id: Mapped[key]
    sku: Mapped[code]
    name: Mapped[title]
    description: Mapped[str | None] = mapped_column(Text)
    brand_id: Mapped[int | None] = mapped_column(ForeignKey("brands.id"), index=True)
    tax_class_id: Mapped[int] = mapped_column(ForeignKey("tax_classes.id"))
    weight_kg: Mapped[float | None]
    rating: Mapped[float | None] = mapped_column(Float(24))
    attributes: Mapped[dict[str, Any]] = mapped_column(Document)
    keywords: Mapped[list[str] | None]
    state: Mapped[str] = mapped_column(Enum("hidden", "listed", "sold_out", name="product_state"))
    __table_args__ = (UniqueConstraint("tenant_id", "sku"),)


class Variant(Base):
    __tablename__ = "variants"
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    barcode: Mapped[str | None] = mapped_column(String(14), unique=True)
    price: Mapped[money]
    cost: Mapped[Decimal | None] = mapped_column(Numeric(12, 4))
    options: Mapped[dict[str, Any] | None]


class Picture(Base):
    __tablename__ = "pictures"
    id: Mapped[uuid_key]
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), index=True)
    width: Mapped[int | None]
    height: Mapped[int | None]
    area: Mapped[int | None] = mapped_column(Computed("width * height", persisted=True))
    checksum: Mapped[bytes] = mapped_column(LargeBinary(32))


product_categories = Table(
    "product_categories",
    Base.metadata,
    Column("product_id", ForeignKey("products.id"), primary_key=True),
    Column("category_id", ForeignKey("categories.id"), primary_key=True, index=True),
)
related_products = Table(
    "related_products",
    Base.metadata,
    Column("product_id", Integer, ForeignKey("products.id"), nullable=False),
    Column("other_id", Integer, ForeignKey("products.id"), nullable=False),
    Column("weight", Float, server_default="1"),
    UniqueConstraint("product_id", "other_id"),
)


class Collection(OfTenant, Base):
    __tablename__ = "collections"
    id: Mapped[key]
    name: Mapped[title]
    rule: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class CollectionItem(Base):
    __tablename__ = "collection_items"
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    product_id: Mapped[int]
    variant: Mapped[int] = mapped_column(SmallInteger)
    __table_args__ = (ForeignKeyConstraint(["product_id", "variant"], ["variants.product_id", "variants.number"]),)


class Review(Stamped, Base):
    __tablename__ = "reviews"
    id: Mapped[key]
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    stars: Mapped[int] = mapped_column(SmallInteger)
    text: Mapped[str | None] = mapped_column(Text)
    is_public: Mapped[bool] = mapped_column(Boolean, server_default=false())
    __table_args__ = (CheckConstraint("stars BETWEEN 1 AND 5", name="stars"), UniqueConstraint("product_id", "user_id"))


class Wish(Base):
    __tablename__ = "wishes"
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    note: Mapped[str | None] = mapped_column(String(500))


# --- stores and stock ---


class Warehouse(OfTenant, Base):
    __tablename__ = "warehouses"
    id: Mapped[key]
    name: Mapped[title]
    opens_at: Mapped[time | None] = mapped_column(Time)
    closes_at: Mapped[time | None] = mapped_column(Time(timezone=True))
    latitude: Mapped[Decimal | None] = mapped_column(Numeric(9, 6))
    longitude: Mapped[Decimal | None] = mapped_column(Numeric(9, 6))


class Shelf(Base):
    __tablename__ = "shelves"
    warehouse_id: Mapped[int] = mapped_column(ForeignKey("warehouses.id"), primary_key=True)
    label: Mapped[str] = mapped_column(String(12), primary_key=True)
    capacity: Mapped[int | None]


class Stock(Base):
    __tablename__ = "stock"
    product_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    variant: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    warehouse_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shelf: Mapped[str | None] = mapped_column(String(12))
    on_hand: Mapped[int] = mapped_column(server_default="0")
    reserved: Mapped[int] = mapped_column(server_default="0")
    __table_args__ = (
        ForeignKeyConstraint(["product_id", "variant"], ["variants.product_id", "variants.number"]),
        ForeignKeyConstraint(["warehouse_id", "shelf"], ["shelves.warehouse_id", "shelves.label"]),
    )


class StockMovement(Base):
    __tablename__ = "stock_movements"
    id: Mapped[int] = mapped_column(BigId, Identity(), primary_key=True)
    product_id: Mapped[int]
    variant: Mapped[int] = mapped_column(SmallInteger)
    quantity: Mapped[int]
    reason: Mapped[str] = mapped_column(Enum("sale", "return", "count", "loss", name="movement_reason"))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), index=True)
    __table_args__ = (
        ForeignKeyConstraint(
            ["product_id", "variant"], ["variants.product_id", "variants.number"], name="fk_movement_variant"
        ),
    )


class Supplier(Stamped, OfTenant, Base):
    __tablename__ = "suppliers"
    id: Mapped[key]
    name: Mapped[title]
    country: Mapped[str] = mapped_column(ForeignKey("countries.iso"))
    lead_time: Mapped[timedelta | None]


class PurchaseOrder(Stamped, Base):
    __tablename__ = "purchase_orders"
    id: Mapped[key]
    supplier_id: Mapped[int] = mapped_column(ForeignKey("suppliers.id"))
    due_on: Mapped[date | None] = mapped_column(Date)
    total: Mapped[money]


class PurchaseLine(Base):
    __tablename__ = "purchase_lines"
    purchase_order_id: Mapped[int] = mapped_column(ForeignKey("purchase_orders.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    quantity: Mapped[int]
    price: Mapped[money]


class Transfer(Base):
    __tablename__ = "transfers_between_our_own_warehouses_and_partners"
    id: Mapped[key]
    source_warehouse_id: Mapped[int] = mapped_column(ForeignKey("warehouses.id"), index=True)
    destination_warehouse_id: Mapped[int] = mapped_column(ForeignKey("warehouses.id"), index=True)
    sent_at: Mapped[datetime | None]
    __table_args__ = (UniqueConstraint("source_warehouse_id", "destination_warehouse_id", "sent_at"),)


# --- selling ---


class Customer(Stamped, OfTenant, Base):
    __tablename__ = "customers"
    id: Mapped[key]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), unique=True)
    email: Mapped[str] = mapped_column(String(191), index=True)
    birthday: Mapped[date | None]
    credit: Mapped[Decimal] = mapped_column(Numeric(12, 2), server_default="0")
    notes: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str] | None]


class Address(Base):
    __tablename__ = "addresses"
    id: Mapped[key]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    street: Mapped[str] = mapped_column(String(200))
    city: Mapped[str] = mapped_column(String(100))
    postcode: Mapped[str | None] = mapped_column(String(12))
    country: Mapped[str] = mapped_column(ForeignKey("countries.iso"))
    is_default: Mapped[bool] = mapped_column(server_default=false())
    __table_args__ = (
        Index(
            "ux_addresses_default", "customer_id", unique=True, postgresql_where=text("is_default"),
            sqlite_where=text("is_default"),
        ),
    )  # fmt: skip


class Cart(Stamped, Base):
    __tablename__ = "carts"
    id: Mapped[uuid_key]
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    currency: Mapped[str] = mapped_column(ForeignKey("currencies.iso"))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class CartLine(Base):
    __tablename__ = "cart_lines"
    cart_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("carts.id", ondelete="CASCADE"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    quantity: Mapped[int] = mapped_column(server_default="1")


class Coupon(OfTenant, Base):
    __tablename__ = "coupons"
    id: Mapped[key]
    code: Mapped[code]
    percent: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))
    amount: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    valid_from: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    valid_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    uses_left: Mapped[int | None]
    __table_args__ = (UniqueConstraint("code", "tenant_id"),)


class Order(Stamped, OfTenant, Base):
    __tablename__ = "orders"
    id: Mapped[big_key]
    number: Mapped[str] = mapped_column(String(20), unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    status: Mapped[OrderStatus] = mapped_column(Enum(OrderStatus, name="order_status"), default=OrderStatus.DRAFT)
    channel: Mapped[Channel | None] = mapped_column(Enum(Channel, name="order_channel"))
    currency: Mapped[str] = mapped_column(ForeignKey("currencies.iso"))
    total: Mapped[money]
    coupon_id: Mapped[int | None] = mapped_column(ForeignKey("coupons.id"))
    placed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    billing_id: Mapped[int | None] = mapped_column(ForeignKey("addresses.id"))
    shipping_id: Mapped[int | None] = mapped_column(ForeignKey("addresses.id"))
    __table_args__ = (Index("ix_orders_by_state", "tenant_id", "status", "placed_at"),)


class OrderLine(Base):
    __tablename__ = "order_lines"
    order_id: Mapped[int] = mapped_column(BigId, ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True)
    line: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    product_id: Mapped[int]
    variant: Mapped[int] = mapped_column(SmallInteger)
    quantity: Mapped[int]
    price: Mapped[money]
    snapshot: Mapped[dict[str, Any]] = mapped_column(JSON)
    __table_args__ = (
        ForeignKeyConstraint(["product_id", "variant"], ["variants.product_id", "variants.number"]),
        CheckConstraint("quantity > 0", name="quantity"),
    )


class OrderEvent(Base):
    __tablename__ = "order_events"
    id: Mapped[big_key]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    old: Mapped[OrderStatus | None] = mapped_column(Enum(OrderStatus, name="order_status"))
    new: Mapped[OrderStatus] = mapped_column(Enum(OrderStatus, name="order_status"))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Invoice(Base):
    __tablename__ = "invoices"
    id: Mapped[key]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), unique=True)
    year: Mapped[int] = mapped_column(SmallInteger)
    number: Mapped[int]
    pdf: Mapped[bytes | None] = mapped_column(LargeBinary)
    __table_args__ = (UniqueConstraint("year", "number"),)


class Payment(Stamped, Base):
    """The root of joined inheritance."""

    __tablename__ = "payments"
    id: Mapped[key]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    kind: Mapped[str] = mapped_column(String(20))
    amount: Mapped[money]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "other"}


class CardPayment(Payment):
    __tablename__ = "card_payments"
    id: Mapped[int] = mapped_column(ForeignKey("payments.id"), primary_key=True)
    last_four: Mapped[str] = mapped_column(String(4))
    __mapper_args__ = {"polymorphic_identity": "card"}


class TransferPayment(Payment):
    __tablename__ = "transfer_payments"
    id: Mapped[int] = mapped_column(ForeignKey("payments.id"), primary_key=True)
    iban: Mapped[str] = mapped_column(String(34))
    __mapper_args__ = {"polymorphic_identity": "transfer"}


class Refund(Stamped, Base):
    __tablename__ = "refunds"
    id: Mapped[key]
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"))
    amount: Mapped[money]
    reason: Mapped[str | None] = mapped_column(Text)


class GiftCard(OfTenant, Base):
    __tablename__ = "gift_cards"
    code: Mapped[str] = mapped_column(String(24), primary_key=True)
    balance: Mapped[money]
    expires_on: Mapped[date | None]


# --- delivery ---


class Carrier(Base):
    __tablename__ = "carriers"
    id: Mapped[key]
    name: Mapped[str] = mapped_column(String(80), unique=True)
    tracking_url: Mapped[str | None] = mapped_column(Anything)


class Vehicle(Base):
    """The root of single-table inheritance."""

    __tablename__ = "vehicles"
    id: Mapped[key]
    kind: Mapped[str] = mapped_column(String(10))
    plate: Mapped[str | None] = mapped_column(String(16), unique=True)
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vehicle"}


class Truck(Vehicle):
    payload_kg: Mapped[int | None]
    __mapper_args__ = {"polymorphic_identity": "truck"}


class Bike(Vehicle):
    is_electric: Mapped[bool | None]
    __mapper_args__ = {"polymorphic_identity": "bike"}


class Shipment(Stamped, Base):
    __tablename__ = "shipments"
    id: Mapped[key]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    carrier_id: Mapped[int] = mapped_column(ForeignKey("carriers.id"))
    vehicle_id: Mapped[int | None] = mapped_column(ForeignKey("vehicles.id"))
    tracking: Mapped[str | None] = mapped_column(String(64), index=True)
    weight_kg: Mapped[float | None]
    label: Mapped[bytes | None]


class ShipmentLine(Base):
    __tablename__ = "shipment_lines"
    shipment_id: Mapped[int] = mapped_column(ForeignKey("shipments.id"), primary_key=True)
    order_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    line: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    quantity: Mapped[int]
    __table_args__ = (ForeignKeyConstraint(["order_id", "line"], ["order_lines.order_id", "order_lines.line"]),)


class TrackingEvent(Base):
    __tablename__ = "tracking_events"
    shipment_id: Mapped[int] = mapped_column(ForeignKey("shipments.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(Precise, primary_key=True)
    status: Mapped[str] = mapped_column(String(40))
    place: Mapped[str | None] = mapped_column(String(120))


class PickupPoint(Base):
    __tablename__ = "pickup_points"
    carrier_id: Mapped[int] = mapped_column(ForeignKey("carriers.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(16), primary_key=True)
    hours: Mapped[dict[str, Any] | None]
    weekdays: Mapped[list[int] | None] = mapped_column(Numbers)


# --- the customer department, in a schema of its own ---


class Contact(Stamped, Base):
    __tablename__ = "contacts"
    id: Mapped[key]
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    level: Mapped[str] = mapped_column(Enum("lead", "client", "former", name="contact_level", schema=CRM))
    phone: Mapped[str | None] = mapped_column(String(32))
    __table_args__ = {"schema": CRM}


class Campaign(Base):
    __tablename__ = "campaigns"
    id: Mapped[key]
    name: Mapped[title]
    budget: Mapped[Decimal | None] = mapped_column(Numeric)
    starts_on: Mapped[date]
    __table_args__ = (UniqueConstraint("name", "starts_on"), {"schema": CRM})


campaign_contacts = Table(
    "campaign_contacts",
    Base.metadata,
    Column("campaign_id", ForeignKey(f"{_IN_CRM}campaigns.id"), primary_key=True),
    Column("contact_id", ForeignKey(f"{_IN_CRM}contacts.id"), primary_key=True),
    Column("opened_at", DateTime(timezone=True)),
    schema=CRM,
)


class Ticket(Stamped, Base):
    __tablename__ = "tickets"
    id: Mapped[big_key]
    contact_id: Mapped[int] = mapped_column(ForeignKey(f"{_IN_CRM}contacts.id"), index=True)
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    duplicate_of: Mapped[int | None] = mapped_column(ForeignKey(f"{_IN_CRM}tickets.id"))
    subject: Mapped[str] = mapped_column(String(255))
    priority: Mapped[int] = mapped_column(SmallInteger, server_default="3")
    is_closed: Mapped[bool] = mapped_column(server_default=false())
    __table_args__ = {"schema": CRM}


class TicketMessage(Base):
    __tablename__ = "ticket_messages"
    ticket_id: Mapped[int] = mapped_column(BigId, ForeignKey(f"{_IN_CRM}tickets.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    body: Mapped[str] = mapped_column(Text)
    attachment: Mapped[bytes | None]
    __table_args__ = {"schema": CRM}


class Survey(Base):
    __tablename__ = "surveys"
    id: Mapped[uuid_key]
    questions: Mapped[list[str]]
    answers: Mapped[dict[str, Any] | None]
    contact_id: Mapped[int] = mapped_column(ForeignKey(f"{_IN_CRM}contacts.id"))
    __table_args__ = {"schema": CRM}


# --- what only PostgreSQL has ---


class SearchDocument(Base):
    __tablename__ = "search_documents"
    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, server_default=text("gen_random_uuid()"))
    languages: Mapped[list[str]] = mapped_column(postgresql.ARRAY(String(8)))
    states: Mapped[list[OrderStatus] | None] = mapped_column(postgresql.ARRAY(Enum(OrderStatus, name="order_status")))
    words: Mapped[Any] = mapped_column(
        postgresql.TSVECTOR, Computed("to_tsvector('simple', body)", persisted=True), nullable=True
    )
    body: Mapped[str] = mapped_column(Text)
    period: Mapped[Any] = mapped_column(postgresql.TSTZRANGE, nullable=True)
    source: Mapped[str | None] = mapped_column(postgresql.CIDR)
    price: Mapped[Any] = mapped_column(postgresql.MONEY, nullable=True)
    mask: Mapped[Any] = mapped_column(postgresql.BIT(8), nullable=True)
    seen_at: Mapped[datetime | None] = mapped_column(postgresql.TIMESTAMP(timezone=True, precision=3))
    real: Mapped[float | None] = mapped_column(postgresql.REAL)
    exact: Mapped[float | None] = mapped_column(postgresql.DOUBLE_PRECISION)
    letter: Mapped[str | None] = mapped_column(postgresql.CHAR(1))
    __table_args__ = (
        Index("ix_search_documents_words", "words", postgresql_using="gin"),
        Index("ux_search_documents_body", func.md5(text("body")), unique=True),
        Index("ix_search_documents_lower", func.lower(text("body"))),
        Index("ix_search_documents_covering", "source", postgresql_include=["price"]),
        Index("ix_search_documents_length", func.length(text("body")), text("seen_at DESC NULLS LAST")),
    )


class SearchSynonym(Base):
    __tablename__ = "search_synonyms"
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    Word: Mapped[str] = mapped_column("Word", Text)
    order: Mapped[int] = mapped_column("order", server_default="0")
    __table_args__ = (UniqueConstraint("Word", postgresql_nulls_not_distinct=True),)


def create_all(url: str) -> None:
    """Make every table that the database of `url` can have, and the second schema where there is to be one."""
    engine = create_engine(url)
    is_postgres = engine.dialect.name == "postgresql"
    tables = [table for table in Base.metadata.sorted_tables if is_postgres or not table.name.startswith("search_")]
    try:
        with engine.begin() as connection:
            if CRM:
                connection.execute(CreateSchema(CRM))
            Base.metadata.create_all(connection, tables=tables)
    finally:
        engine.dispose()
