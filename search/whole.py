"""After a search: heads that were trained on cached features become whole networks, so that each file can travel alone.

While they train a head is all that is written, as it improves many times a second.
"""

from console.errors import UsageError
from console.progress import say, track
from records.files import is_full_or_readonly
from records.folder import best_weights
from search.campaign import Campaign
from trainables.portable.load import complete


def complete_kept(campaign: Campaign) -> None:
    """Of every trial whose network is still there: the --keep best and the anchors.

    What cannot be made whole is said and stays a head; `load_model` can try again.
    """
    files = [best_weights(campaign.folder, number) for number in campaign.trials]
    for file in track([file for file in files if file.is_file()], "completing networks", unit="networks"):
        try:
            complete(file)
        except UsageError as error:
            say(str(error))
        except OSError as error:
            if not is_full_or_readonly(error):
                raise
            say(f"{file} stays a head without its network: there is no room for it.")
            return
