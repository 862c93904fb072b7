"""The two kinds of wire types: what is asked is read strictly, what is answered is read tolerantly."""

from pydantic import BaseModel, ConfigDict


class Asked(BaseModel):
    """Part of a request. An unknown field is refused: a misspelt limit is an error and not a limit never applied."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Answered(BaseModel):
    """Part of a response. A field that this version does not know is ignored, so that the service can grow."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", ser_json_inf_nan="constants", json_schema_serialization_defaults_required=True
    )
