"""The front of a cluster: the same service as on one machine, but its judges delegate to nodes."""

from contextlib import AbstractAsyncContextManager

from verifier_service.batch import Item
from verifier_service.canaries import known
from verifier_service.cluster.remote import Elsewhere, Known, Nodes, RemoteJudge
from verifier_service.languages import load_languages
from verifier_service.observability.metrics import Metrics
from verifier_service.schema import Run
from verifier_service.service import Judges, Service, running_service
from verifier_service.settings import Settings


def running_front(
    settings: Settings, metrics: Metrics, *, code: Nodes, math: Nodes
) -> AbstractAsyncContextManager[Service]:
    """Build, start and finally close a service that judges on `code` and `math` nodes; waits until there is one."""
    known_code, known_math = Known(), Known()

    def judges_of(service: Service) -> Judges:
        def canary_for(item: Item) -> str:
            if isinstance(item, Run):
                language = service.languages.find(item.language)
                return "" if language is None else language.canary_of("stdio")
            return known.name_for(item, service.languages)

        def judge(kind: str, nodes: Nodes, there: Known) -> RemoteJudge:
            return RemoteJudge(kind, settings, nodes, there, canary_for, service.suites.get)

        return {
            "math": judge("math", math, known_math),
            "code": judge("code", code, known_code),
            "run": judge("run", code, known_code),
        }

    return running_service(settings, metrics, Elsewhere(load_languages(), code, known_code), judges_of)
