"""A program of the time of assistants, as people wrote them: it knows OpenAI's SDK and nothing of Keywright.

It pauses before each call: it prints the call's name and waits for a line, so that a test can break a key in between.
"""

from __future__ import annotations

import warnings

from openai import OpenAI

warnings.filterwarnings("ignore", category=DeprecationWarning)


def before(call: str) -> None:
    print(call, flush=True)
    input()


client = OpenAI(max_retries=0)  # reads OPENAI_BASE_URL and OPENAI_API_KEY

before("file")
file = client.files.create(file=("notes.txt", b"The sky is blue."), purpose="assistants")

before("assistant")
assistant = client.beta.assistants.create(
    model="gpt-4o-mini",
    instructions="Be brief.",
    tools=[{"type": "code_interpreter"}],
    tool_resources={"code_interpreter": {"file_ids": [file.id]}},
)

before("thread")
thread = client.beta.threads.create()

before("message")
client.beta.threads.messages.create(
    thread.id,
    role="user",
    content="What colour is the sky?",
    attachments=[{"file_id": file.id, "tools": [{"type": "code_interpreter"}]}],
)

before("run")
with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
    said = "".join(stream.text_deltas)

before("answer")
messages = client.beta.threads.messages.list(thread.id).data
assert {message.role for message in messages} == {"user", "assistant"}, messages

before("polled run")
run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
assert run.status == "completed", run.status

before("content")
content = client.files.content(file.id).read()
assert content == b"The sky is blue.", content

before("end")
client.beta.threads.delete(thread.id)
client.beta.assistants.delete(assistant.id)
client.files.delete(file.id)
print(f"said: {said}")
