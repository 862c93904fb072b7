"""REST v1: `POST /v1/verify` and `GET /v1/info`."""

from fastapi import APIRouter, Depends, Request, Response

from verifier_service import __version__, limits
from verifier_service.api import openapi
from verifier_service.api.access import require_key, service_of
from verifier_service.api.answers import carry_out
from verifier_service.api.body import read_batch
from verifier_service.batch import submissions_in_steps
from verifier_service.checkers import TEXT_CHECKERS, VALUE_CHECKERS
from verifier_service.judges.code import preludes
from verifier_service.languages import Language, Languages
from verifier_service.observability import build
from verifier_service.schema import (
    Checkers,
    CodeResult,
    ExtractionRule,
    Info,
    LanguageInfo,
    MathResult,
    Protocol,
    UnreadResult,
    Verdict,
    VerifyRequest,
    VerifyResponse,
)

router = APIRouter(prefix="/v1", dependencies=[Depends(require_key)])


@router.post(
    "/verify",
    response_model=VerifyResponse,
    responses=openapi.problems(400, 401, 408, 413, 422, 429, 503)
    | openapi.results(MathResult, CodeResult, UnreadResult),
    openapi_extra=openapi.body(VerifyRequest),
)
async def verify(request: Request) -> Response:
    """Judge a batch of submissions; return the results in the same order, or as lines as they become available."""
    return await carry_out(request, await read_batch(request, submissions_in_steps))


@router.get("/info", responses=openapi.problems(401))
async def info(request: Request) -> Info:
    """Return what this service can judge and run: languages, checkers, verdicts, limits."""
    service = service_of(request)
    settings, languages = service.settings, service.languages
    return Info(
        version=__version__,
        build=build.version(),
        runner=service.runner.name,
        isolation=settings.isolation,
        languages=[_describe(one, languages) for one in languages.known.values()],
        checkers=Checkers(
            stdio=[*TEXT_CHECKERS, "judge"], call=list(VALUE_CHECKERS), protocols=[one.value for one in Protocol]
        ),
        preludes=preludes.DESCRIPTIONS,
        extraction_rules=[rule.value for rule in ExtractionRule],
        verdicts={verdict.value: verdict.meaning for verdict in Verdict},
        limits=limits.tables(settings),
        limit_table=limits.describe(settings),
        max_batch=settings.max_batch,
        max_body_mb=settings.max_body_mb,
    )


def _describe(language: Language, languages: Languages) -> LanguageInfo:
    version = languages.versions.get(language.name)
    return LanguageInfo(
        name=language.name,
        title=language.title,
        aliases=list(language.aliases),
        available=version is not None,
        version=version,
        tests=list(language.test_kinds),
        hint=None if version is not None else languages.hint(language),
    )
