"""All tables of the site, for what goes through them all: migrations, rotation, deletion."""

from __future__ import annotations

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from personalign.web.accounts import tables as accounts
from personalign.web.audit import tables as audit
from personalign.web.chat import tables as chat
from personalign.web.database.base import Base
from personalign.web.personas import tables as personas
from personalign.web.questionnaire import tables as questionnaire
from personalign.web.reports import tables as reports
from personalign.web.study import tables as study


class SiteFact(Base):
    """A fact about the site itself."""

    __tablename__ = "site_fact"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary, info={"sealed": True})
    """Sealed: that `key_check` opens shows that the site key is this database's."""


ROOMS = (accounts, audit, questionnaire, personas, chat, reports, study)
"""The modules that define tables."""

METADATA = Base.metadata
