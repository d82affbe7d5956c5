"""optuna-dashboard's importances, withheld while there are too few trials to tell a field's part from chance."""

import json
import re
from collections.abc import Iterable
from typing import Any

from optuna.storages import BaseStorage
from optuna.trial import TrialState

from search.views.serving import Application, Environ

FEWEST = 30  # complete trials
ASKED = re.compile(r"/api/studies/(\d+)/param_importances")


class Importances:
    """optuna-dashboard, which says of a study with fewer complete trials that no importances are known.

    So do the arms of a head-to-head: what they differ in is no field.
    """

    def __init__(self, pages: Application, storage: BaseStorage):
        self.pages, self.storage = pages, storage

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        asked = ASKED.fullmatch(environ.get("PATH_INFO", ""))
        if asked is None or not self._too_few(int(asked[1])):
            return self.pages(environ, start_response)
        body = json.dumps({"param_importances": []}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _too_few(self, study: int) -> bool:
        try:
            return self.storage.get_n_trials(study, state=TrialState.COMPLETE) < FEWEST
        except KeyError:  # no such study, which the pages say themselves
            return False
