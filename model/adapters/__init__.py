"""The adapter methods: one entry in this union makes a method known everywhere."""

from typing import Annotated

from pydantic import Field

from model.adapters.cskt import CsktConfig
from model.adapters.dm_adapter import DmAdapterConfig
from model.adapters.full import FullConfig

AdapterConfig = Annotated[FullConfig | CsktConfig | DmAdapterConfig, Field(discriminator="method")]
