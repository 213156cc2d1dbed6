"""`personalign serve`: a folder of personas, one model, and OpenAI's API in front."""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from personalign.cli.options import Device, Dtype, Quantise
from personalign.cli.serve_web import (
    Also,
    BehindProxy,
    KeepAccounts,
    KeepConversations,
    KeepReports,
    KeepUnfinished,
    Method,
    NoSignUp,
    OpenIdClient,
    OpenIdIssuer,
    Operator,
    PublicUrl,
    WebOptions,
    open_web,
)
from personalign.cli.site_place import DEFAULT_FOLDER, DatabaseUrl, KeyFile, SiteFolder

if TYPE_CHECKING:
    from personalign.cli.serve_web import OpenedWeb
    from personalign.server.run import Served

GIB = 2**30


def serve(
    personas: Annotated[
        Path | None,
        typer.Option(
            help="Folder of personas, one folder each, as personalign align writes them. What is "
            "put in, replaced or removed there counts at once. Default with --web: personas in "
            "the site's folder."
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="'pocket', a model's folder, or a name on the Hugging Face hub.")
    ] = "pocket",
    dtype: Dtype = None,
    device: Device = None,
    quantise: Quantise = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="What clients call the model. Default: its name, or its folder's last part."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 is every one of this machine.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one and says which.")
    ] = 8000,
    api_keys: Annotated[
        Path | None,
        typer.Option(help="File of keys, as personalign keys create writes it."),
    ] = None,
    without_keys: Annotated[
        bool,
        typer.Option(
            "--without-keys", help="Let anybody who reaches the port do everything, on any host."
        ),
    ] = False,
    max_batch: Annotated[int, typer.Option(min=1, help="Replies written at once.")] = 32,
    queue: Annotated[
        int, typer.Option(min=1, help="Requests that may wait; more are refused with 429.")
    ] = 256,
    kv_budget: Annotated[
        float, typer.Option(min=0.001, help="GiB for keys and values of running replies.")
    ] = 1.0,
    prefix_budget: Annotated[
        float,
        typer.Option(min=0.0, help="GiB for beginnings of prompts that are read once; 0: none."),
    ] = 0.25,
    slots: Annotated[
        int, typer.Option(min=1, help="Personas kept ready on the device at once.")
    ] = 256,
    max_reply: Annotated[int, typer.Option(min=1, help="Longest reply, in tokens.")] = 4096,
    max_body: Annotated[int, typer.Option(min=1024, help="Largest request, in bytes.")] = 2**20,
    grace: Annotated[
        float,
        typer.Option(min=0.0, help="Seconds that running replies have to end after SIGTERM."),
    ] = 30.0,
    replicas: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes that each load the model, on a Ray cluster, behind one port."
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Where replicas run: auto (the cluster of this machine), an address, or local "
            "(one started here; the default)."
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, help="Cores a replica takes. Default: this machine's, shared; beside a GPU, 1."
        ),
    ] = None,
    web: Annotated[
        bool,
        typer.Option("--web", help="Serve the web application, too.", rich_help_panel="With --web"),
    ] = False,
    also: Also = None,
    method: Method = "pas",
    site: SiteFolder = DEFAULT_FOLDER,
    database: DatabaseUrl = None,
    site_key: KeyFile = None,
    public_url: PublicUrl = None,
    behind_proxy: BehindProxy = False,
    operator: Operator = "",
    no_sign_up: NoSignUp = False,
    keep_unfinished: KeepUnfinished = None,
    keep_conversations: KeepConversations = None,
    keep_reports: KeepReports = None,
    keep_accounts: KeepAccounts = None,
    openid_issuer: OpenIdIssuer = None,
    openid_client: OpenIdClient = None,
) -> None:
    """Serve every persona of a folder behind OpenAI's API, from one copy of the model.

    Clients name a persona in the model's name, as pocket:ann or, more strongly, pocket:ann@3.

      personalign keys create keys.json --name ann --scope chat
      personalign serve --personas personas --api-keys keys.json --port 8000
      personalign serve --web

    SIGTERM ends it well: new requests are refused, running replies are finished.
    """
    from personalign.cli.console import console, errors
    from personalign.errors import MissingPackageError, ServingError

    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(str(error.name), "serve", "`personalign serve`") from error

    from personalign.server.entrance import Entrance
    from personalign.server.keys import KeyRing
    from personalign.server.metrics import Metrics
    from personalign.server.run import serve as run
    from personalign.server.settings import ServerSettings, open_server

    options = WebOptions(
        folder=site,
        database=database,
        key_file=site_key,
        public_url=public_url,
        behind_proxy=behind_proxy,
        operator=operator,
        sign_up=not no_sign_up,
        method=method,
        unfinished=keep_unfinished,
        conversations=keep_conversations,
        reports=keep_reports,
        accounts=keep_accounts,
        openid_issuer=openid_issuer,
        openid_client=openid_client,
    )
    web_settings = options.settings(host, port) if web else None
    if personas is None:
        if web_settings is None:
            raise typer.BadParameter("give a folder, or --web.", param_hint="--personas")
        personas = web_settings.folder / "personas"
    if api_keys is not None and without_keys:
        raise ServingError("--api-keys and --without-keys contradict each other; choose one.")
    if web and without_keys:
        raise ServingError("With --web the API always asks for a key; leave --without-keys out.")
    if api_keys is None and not (without_keys or web) and not _is_loopback(host):
        raise ServingError(
            f"On {host} others reach the server, and without keys anybody may do everything. Add "
            "--api-keys FILE (personalign keys create makes one), or say --without-keys."
        )
    if replicas is None and (ray is not None or threads is not None):
        raise ServingError(
            f"{'--threads' if ray is None else '--ray'} is about replicas; say with --replicas how "
            "many there are to be, or leave it out."
        )
    if also and not web:
        raise ServingError("--also is about the site's models; add --web, or leave it out.")
    if web and replicas is not None:
        raise ServingError(
            "The site speaks through a model of its own process; start --web and --replicas as two "
            "servers."
        )
    keys = None if api_keys is None else KeyRing(api_keys)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("personalign").setLevel(logging.INFO)
    settings = ServerSettings(
        personas,
        model,
        dtype,
        device,
        quantise,  # type: ignore[arg-type]
        name,
        max_batch=max_batch,
        queue=queue,
        kv_budget=int(kv_budget * GIB),
        prefix_budget=int(prefix_budget * GIB),
        slots=slots,
        max_reply=max_reply,
        max_body=max_body,
    )

    def listen(served: Served, who: str, opened: OpenedWeb | None = None) -> bool:
        def ready(address: str) -> None:
            line = f"Serving {who} on {address}/v1"
            console.print(line, highlight=False, soft_wrap=True, markup=False)
            if opened is not None:
                opened.tell(address)
            elif keys is None:
                errors.print("There are no keys: whoever reaches this port may do everything.")

        app = None if opened is None else opened.app
        return run(served, host=host, port=port, grace=grace, ready=ready, app=app)

    if replicas is None:
        with errors.status(f"Loading {model}"):
            service = open_server(settings, keys=keys)
        opened = None
        if web_settings is not None:
            with errors.status("Opening the site"):
                opened = open_web(web_settings, service, settings, also or ())
        site_ended = True
        try:
            ended = listen(service, f"{service.base} and its personas", opened)
        finally:
            if opened is not None:
                site_ended = opened.close()
        ended = ended and site_ended
    else:
        from personalign.server.front import Front
        from personalign.server.replicas import running_replicas

        application = f"personalign-{socket.gethostname()}-{port or os.getpid()}"
        with ExitStack() as running:
            with errors.status(f"Starting {replicas} replicas of {model}"):
                team = running.enter_context(
                    running_replicas(
                        settings,
                        replicas,
                        ray or "local",
                        threads=threads,
                        application=application,
                    )
                )
            base, count = team.described()
            entrance = Entrance(Metrics(None), keys, settings.bounds(replicas))
            who = f"{base} with {count} personas from {replicas} replicas"
            ended = listen(Front(team, entrance), who)
    console.print("The server has ended.", highlight=False)
    if not ended:
        _leave()


def _leave() -> None:
    """End the process well although a thread still computes.

    Inside torch, such a thread aborts the process when the interpreter ends by itself.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> _is_loopback("127.0.0.1"), _is_loopback("localhost"), _is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
