"""Checkly: the Python examples of its page, with requests.

Each stands as on the page, whose white space (lost when such pages are copied) is
restored; the host and the heartbeat's id are replaced when it is run
(`support.seeds`). What the page only sketches, the user's own functions, is written
before an example.
"""

from pathlib import Path

import pytest

from support.kube import Kube
from support.operators import RunningOperator
from support.seeds import PYTHON, Site, Subject, subject

pytestmark = pytest.mark.integration

SITE = Site(host="ping.checklyhq.com", identifier="your-heartbeat-id")

JOB = """
def process_data():
    return {"processed_count": 1240}

def generate_reports(): pass
def cleanup_temp_files(): pass
"""
BROKEN = JOB.replace("def generate_reports(): pass", "def generate_reports(): 1 / 0")

RETRYING = '''
import requests
import sys
import time

def ping_heartbeat(url, source=None, timeout=5, retries=3):
    """Send heartbeat ping with retry logic."""
    headers = {}
    if source:
        headers['Origin'] = source

    for attempt in range(retries):
        try:
            response = requests.get(url, headers=headers, timeout=timeout)
            response.raise_for_status()
            print(f"Heartbeat sent successfully: {response.status_code}")
            return True
        except requests.exceptions.RequestException as e:
            print(f"Heartbeat attempt {attempt + 1} failed: {e}")
            if attempt < retries - 1:
                time.sleep(1)  # Wait before retry

    print("All heartbeat attempts failed")
    return False

def run_scheduled_job():
    """Example scheduled job with heartbeat monitoring."""
    heartbeat_url = "https://ping.checklyhq.com/your-heartbeat-id"

    try:
        print("Starting data processing job...")

        # Your job logic here
        process_data()
        generate_reports()
        cleanup_temp_files()

        print("Job completed successfully")

        # Send success heartbeat
        if not ping_heartbeat(heartbeat_url, source="data-processor"):
            print("Warning: Failed to send heartbeat ping")

    except Exception as e:
        print(f"Job failed: {e}")
        # Don't send heartbeat on failure
        sys.exit(1)

if __name__ == "__main__":
    run_scheduled_job()
'''

# The page's troubleshooting says how metadata is sent.
WITH_METADATA = """
import requests

def ping_heartbeat(url, metadata):
    heartbeat_url = url
    requests.post(heartbeat_url, json=metadata)
"""
CONDITIONAL = '''
def conditional_heartbeat_example():
    """Only ping heartbeat if certain conditions are met."""

    # Run your job
    results = process_data()

    # Only ping if we processed a significant amount of data
    if results['processed_count'] > 100:
        ping_heartbeat(
            url="https://ping.checklyhq.com/your-heartbeat-id",
            metadata={'processed': results['processed_count']}
        )
        print(f"Heartbeat sent - processed {results['processed_count']} items")
    else:
        print(f"Skipped heartbeat - only processed {results['processed_count']} items")
'''
RUN_CONDITIONAL = "conditional_heartbeat_example()"

DJANGO = """
# management/commands/send_newsletter.py
from django.core.management.base import BaseCommand
from django.conf import settings
import requests

class Command(BaseCommand):
    help = 'Send weekly newsletter'

    def handle(self, *args, **options):
        try:
            self.stdout.write('Starting newsletter job...')

            # Newsletter logic
            subscribers = self.get_subscribers()
            sent_count = self.send_newsletters(subscribers)

            self.stdout.write(f'Newsletter sent to {sent_count} subscribers')

            # Send heartbeat
            heartbeat_url = settings.NEWSLETTER_HEARTBEAT_URL
            response = requests.get(heartbeat_url, timeout=5)
            response.raise_for_status()

            self.stdout.write(
                self.style.SUCCESS('Newsletter job completed successfully')
            )

        except Exception as e:
            self.stdout.write(
                self.style.ERROR(f'Newsletter job failed: {e}')
            )
            raise
"""
# What the command needs of Django, which is not what is tried here.
DJANGO_ITSELF = """
import sys
from types import ModuleType, SimpleNamespace

class BaseCommand:
    stdout = sys.stdout
    style = SimpleNamespace(SUCCESS=str, ERROR=str)

settings = SimpleNamespace(
    NEWSLETTER_HEARTBEAT_URL="https://ping.checklyhq.com/your-heartbeat-id"
)
for name in ("django", "django.core", "django.core.management"):
    sys.modules[name] = ModuleType(name)
base, conf = ModuleType("django.core.management.base"), ModuleType("django.conf")
base.BaseCommand, conf.settings = BaseCommand, settings
sys.modules |= {base.__name__: base, conf.__name__: conf}
"""
RUN_DJANGO = """
class Newsletter(Command):
    def get_subscribers(self): return ["a@example.com"]
    def send_newsletters(self, subscribers): return len(subscribers)

Newsletter().handle()
"""
BROKEN_DJANGO = RUN_DJANGO.replace("len(subscribers)", "1 / 0")


@pytest.fixture
def job(
    kube: Kube, operator: RunningOperator, namespace: str, tmp_path: Path
) -> Subject:
    return subject(kube, operator, namespace, SITE, tmp_path)


def test_the_example_with_retries_pings_once(job: Subject) -> None:
    ended = job.run(PYTHON, JOB + RETRYING)
    job.pinged(ended, "data-processor")
    assert "Heartbeat sent successfully: 200" in ended.output


def test_the_example_with_retries_does_not_ping_for_a_failed_job(job: Subject) -> None:
    ended = job.run(PYTHON, BROKEN + RETRYING)
    assert "Job failed: division by zero" in ended.output
    assert (ended.exit_code, ended.answers, job.lines()) == (1, [], [])


def test_a_conditional_heartbeat_sends_metadata_that_is_kept(job: Subject) -> None:
    ended = job.run(PYTHON, JOB + WITH_METADATA + CONDITIONAL + RUN_CONDITIONAL)
    payload = job.pinged(ended, "python-requests/")
    assert "Heartbeat sent - processed 1240 items" in ended.output
    assert payload["metadata"] == {"processed": 1240}


def test_a_conditional_heartbeat_is_skipped_for_little_data(job: Subject) -> None:
    few = JOB.replace("1240", "100")
    ended = job.run(PYTHON, few + WITH_METADATA + CONDITIONAL + RUN_CONDITIONAL)
    assert "Skipped heartbeat - only processed 100 items" in ended.output
    assert (ended.exit_code, ended.answers, job.lines()) == (0, [], [])


def test_the_django_command_pings(job: Subject) -> None:
    ended = job.run(PYTHON, DJANGO_ITSELF + DJANGO + RUN_DJANGO)
    job.pinged(ended, "python-requests/")
    assert "Newsletter job completed successfully" in ended.output


def test_the_django_command_does_not_ping_for_a_failed_job(job: Subject) -> None:
    ended = job.run(PYTHON, DJANGO_ITSELF + DJANGO + BROKEN_DJANGO)
    assert "Newsletter job failed: division by zero" in ended.output
    assert (ended.exit_code, ended.answers, job.lines()) == (1, [], [])
