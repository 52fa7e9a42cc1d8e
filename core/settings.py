"""Settings, read once from the environment (and from a ``.env`` file in the working folder).

Every setting is described in ``docs/reference/settings.md``; a test compares the two.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent
"""The folder of the installation: where the code and the engine's own files lie."""


class Settings(BaseSettings):
    """What an installation may set. Names of the environment variables are the aliases."""

    model_config = SettingsConfigDict(env_file=ROOT / ".env", extra="ignore", populate_by_name=True)

    data_dir: Path = Field(default=ROOT / "var", alias="SOTAY_DATA_DIR")
    keys_dir: Path | None = Field(default=None, alias="SOTAY_KEYS_DIR")
    database_url: str | None = Field(default=None, alias="DATABASE_URL")
    chroma_url: str | None = Field(default=None, alias="CHROMA_URL")
    host: str = Field(default="127.0.0.1", alias="HOST")
    port: int = Field(default=8000, alias="PORT", ge=1, le=65535)
    tls: Literal["no", "self"] = Field(default="no", alias="TLS")
    trusted_proxies: str | None = Field(default=None, alias="SOTAY_TRUSTED_PROXIES")
    demo: bool = Field(default=True, alias="DEMO")
    embedding_model: str = Field(default="e5-small-int8", alias="SOTAY_EMBEDDING_MODEL")
    address: str = Field(default="Đồng chí", alias="SOTAY_ADDRESS")
    organisation: str = Field(default="tổ chức", alias="SOTAY_ORGANISATION")
    suggestions: list[str] = Field(
        default=[
            "Muốn vào Hội thì cần điều kiện gì?",
            "Hội phí nộp bao nhiêu một tháng?",
            "Mất thẻ hội viên thì phải báo ai?",
        ],
        alias="SOTAY_SUGGESTIONS",
    )
    argon2_memory_kib: int = Field(default=19456, alias="SOTAY_ARGON2_MEMORY_KIB", ge=19456)
    argon2_passes: int = Field(default=2, alias="SOTAY_ARGON2_PASSES", ge=2)
    rate_limits: bool = Field(default=True, alias="SOTAY_RATE_LIMITS")
    oidc_issuer: str | None = Field(default=None, alias="SOTAY_OIDC_ISSUER")
    oidc_client_id: str | None = Field(default=None, alias="SOTAY_OIDC_CLIENT_ID")
    oidc_client_secret_file: Path | None = Field(default=None, alias="SOTAY_OIDC_CLIENT_SECRET_FILE")
    sign_up_accepted_by: Literal["machine", "person"] = Field(default="machine", alias="SOTAY_SIGN_UP_ACCEPTED_BY")
    ekyc_ocr: Literal["auto", "pytesseract", "tesserocr"] = Field(default="auto", alias="EKYC_OCR")
    ekyc_tessdata_dir: Path | None = Field(default=None, alias="EKYC_TESSDATA_DIR")
    ekyc_templates_dir: Path | None = Field(default=None, alias="EKYC_TEMPLATES_DIR")
    ekyc_model_dir: Path | None = Field(default=None, alias="EKYC_MODEL_DIR")
    ekyc_second_recogniser: Path | None = Field(default=None, alias="EKYC_SECOND_RECOGNISER")
    ekyc_passive_model: Path | None = Field(default=None, alias="EKYC_PASSIVE_MODEL")
    ekyc_vendor: str | None = Field(default=None, alias="EKYC_VENDOR")
    ekyc_same_from: float = Field(default=0.36, alias="EKYC_SAME_FROM", ge=-1, le=1)
    ekyc_review_from: float = Field(default=0.25, alias="EKYC_REVIEW_FROM", ge=-1, le=1)
    ekyc_min_confidence: float = Field(default=0.85, alias="EKYC_MIN_CONFIDENCE", ge=0, le=1)
    ekyc_min_text_height: float = Field(default=12, alias="EKYC_MIN_TEXT_HEIGHT", ge=0)
    ekyc_min_sharpness: float = Field(default=0.2, alias="EKYC_MIN_SHARPNESS", ge=0, le=1)
    ekyc_max_glare: float = Field(default=0.05, alias="EKYC_MAX_GLARE", ge=0, le=1)
    ekyc_poses: int = Field(default=2, alias="EKYC_POSES", ge=2, le=4)
    ekyc_review_days: int = Field(default=7, alias="EKYC_REVIEW_DAYS", ge=1, le=7)
    log_level: str = Field(default="INFO", alias="SOTAY_LOG_LEVEL")

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, value: str | None) -> str | None:
        """Addresses or networks, separated by commas; "*" would let every client say who it is."""
        if not value:
            return None
        networks = [ip_network(part.strip()) for part in value.split(",")]
        if any(network.prefixlen == 0 for network in networks):
            raise ValueError("everybody would be a trusted proxy")
        return ",".join(str(network).removesuffix("/32") for network in networks)

    @field_validator(
        "keys_dir",
        "oidc_client_secret_file",
        "ekyc_tessdata_dir",
        "ekyc_templates_dir",
        "ekyc_model_dir",
        "ekyc_second_recogniser",
        "ekyc_passive_model",
        mode="before",
    )
    @classmethod
    def _unset(cls, value: object) -> object:
        """``NAME=`` in a file of settings leaves it unset; as a path it would be the working folder."""
        return None if value == "" else value

    @field_validator(
        "data_dir",
        "keys_dir",
        "oidc_client_secret_file",
        "ekyc_tessdata_dir",
        "ekyc_templates_dir",
        "ekyc_model_dir",
        "ekyc_second_recogniser",
        "ekyc_passive_model",
    )
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().resolve() if value else None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process."""
    return Settings()
