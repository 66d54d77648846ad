"""A Realtime service on your own machine: real WebRTC and websockets, around talkwire's `Service`.

For a test or a script of yours, on a free port:

    async with serving() as service:
        client = AsyncOpenAI(api_key="any", base_url=service.base_url)

In an app of yours:

    calls = Calls(await asyncio.to_thread(load_voice), RuleBrain())
    app.register_blueprint(realtime_blueprint(calls))

`serving` is in `talkwire_io.local.serving`, `Options` (which keys, which dialect) in
`talkwire_io.local.options`, `Calls` in `talkwire_io.local.calls`, `realtime_blueprint` in `talkwire_io.local.blueprint`, and
the voice in `talkwire_io.local.voice`. They are not imported here: the voice must be importable
where aiortc is not installed, and the other way round.
"""
